"""The record of a verdict: what came out where a run was made again, and where and by which code that was.

The JSON Schema in ``harness/records/schema/`` is generated from these models. It has no seal but its digest, as every
record: whoever wants to sign it does so with the statement that ``harness export --to in-toto`` makes of it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, model_validator

from harness.records.base import Bytes, Environment, Finite, Rate, Scores, Sealed, Spread
from harness.records.migrations import VERDICT_CURRENT
from harness.records.run import Record
from harness.specs.base import Digest, Frozen, Positive

SCHEMA_VERSION: Final = VERDICT_CURRENT
#: What a second run says of a record. Those of only the first updates say so, and confirm no more.
Word = Literal[
    "bit-identical", "same result", "bit-identical so far", "same so far", "different", "other task", "cannot run",
    "altered",
]  # fmt: skip
#: Those that are an opinion on a record: what could not be run is none, and what is no record has none.
OPINIONS: Final[tuple[Word, ...]] = (
    "bit-identical", "same result", "bit-identical so far", "same so far", "different", "other task",
)  # fmt: skip
#: Those that only the first updates of a run can have, and those that only all of them can.
SO_FAR: Final[tuple[Word, ...]] = ("bit-identical so far", "same so far")
WHOLE: Final[tuple[Word, ...]] = ("bit-identical", "same result")
#: Differences that are kept: a machine may have hundreds of other packages.
MOST_DIFFERENCES: Final = 50


class Run(Frozen):
    """A run's record by what no other has."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    digest: Annotated[
        Digest, Field(description="as its file has it; of a record of schema 1, which has none, of its contents")
    ]


class Judged(Run):
    """The record that the verdict is on."""

    name: Annotated[str, Field(max_length=400, description="the run in a few words")]
    seed: int
    spec_digest: Digest


class Figures(Frozen):
    """What one of the two runs measured; null where it did not, and of a run of which only the first updates were."""

    score: Scores = {}
    final_loss: Finite | None = None
    step_ms: Spread | None = None
    train_sequences_per_second: Rate | None = None
    host_growth_bytes: Bytes | None = None
    device_peak_bytes: Bytes | None = None

    @classmethod
    def of(cls, record: Record | None) -> Figures:
        """Those of a run; empty where it has none."""
        metrics = record.metrics if record is not None else None
        if metrics is None:
            return cls()
        return cls(
            score=metrics.score,
            final_loss=metrics.final_loss,
            step_ms=metrics.step_ms,
            train_sequences_per_second=metrics.train_sequences_per_second,
            host_growth_bytes=metrics.host_growth_bytes,
            device_peak_bytes=metrics.device_peak_bytes,
        )


class Harness(Frozen):
    """The code that made the run again, and judged."""

    version: str | None
    sources: Annotated[dict[str, Digest], Field(description="SHA-256 of the source of each floor of this project")]
    commit: str | None = None
    dirty: bool | None = None


class VerdictRecord(Sealed):
    """One verdict on one record."""

    KIND: ClassVar[str] = "verdict"

    kind: Literal["verdict"] = "verdict"
    schema_version: Literal[1] = SCHEMA_VERSION
    judged: Judged
    verdict: Annotated[Word, Field(description="a word of docs/verify.md")]
    why: Annotated[str, Field(max_length=2000)]
    updates: Annotated[Positive | None, Field(description="that were made again; null where no run was needed")]
    updates_recorded: Annotated[Positive, Field(description="that the record's run made")]
    speed: Annotated[str, Field(max_length=400, description="a remark, which does not change the verdict")] = ""
    memory: Annotated[str, Field(max_length=400, description="likewise")] = ""
    differences: Annotated[
        list[str],
        Field(
            max_length=MOST_DIFFERENCES,
            description="between the task, the code and the environments of both runs, the likeliest cause first",
        ),
    ] = []
    recorded: Annotated[Figures, Field(description="of the record")]
    found: Annotated[Figures, Field(description="of the new run")]
    again: Annotated[Run | None, Field(description="the record of the new run; null where none was kept")] = None
    environment_recorded: Annotated[Environment, Field(description="where the record's run was made")]
    environment: Annotated[Environment | None, Field(description="where it was made again; null where no run was")]
    harness: Harness
    code: Annotated[
        Literal["current", "recorded"],
        Field(description="current: that of the one who judged; recorded: the record's own commit (harness reproduce)"),
    ] = "current"
    packages: Annotated[
        Literal["here", "versions", "hashes"],
        Field(
            description="here: those that were installed; versions: installed at the record's versions; hashes: "
            "installed as the files whose hashes the record has"
        ),
    ] = "here"

    @model_validator(mode="after")
    def _no_more_than_it_ran(self) -> VerdictRecord:
        if self.verdict not in OPINIONS:
            raise ValueError(f"verdict: {self.verdict} is no opinion on a record")
        part = self.updates is not None and self.updates < self.updates_recorded
        if (self.verdict in WHOLE and (part or self.updates is None)) or (self.verdict in SO_FAR and not part):
            made = "none" if self.updates is None else f"{self.updates:,} of {self.updates_recorded:,}"
            raise ValueError(f"verdict: {self.verdict} does not fit {made} updates")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether all of the record's updates were made again, or none had to be."""
        return self.updates is None or self.updates >= self.updates_recorded
