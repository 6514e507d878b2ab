"""The record of a run: one JSON document that says what was run, where, and what was measured.

The JSON Schema in ``harness/records/schema/`` is generated from these models. Sizes are in bytes, times
in seconds unless the name says otherwise; null stands for "not measured".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.machine.personal import alias, impersonal
from harness.records import figures
from harness.records.base import (
    Amount,
    Before,
    Bytes,
    Environment,
    Execution,
    Finite,
    Moment,
    Noise,
    Rate,
    Scores,
    Sealed,
    Seconds,
    SetUp,
    Spread,
)
from harness.records.figures import Block
from harness.records.migrations import CURRENT
from harness.specs.base import Count, Digest, Frozen, Name, Positive, StudyMark
from harness.specs.commandline import runs_only
from harness.specs.run import RunSpec

SCHEMA_VERSION: Final = CURRENT
#: What brings a study's runs to machines: see ``harness.engines``.
Engine = Literal["local", "ray", "slurm"]


class CurvePoint(Frozen):
    """One evaluation on the validation split."""

    step: Annotated[Count, Field(description="updates done so far")]
    loss: Annotated[Finite, Field(description="loss on the validation split")]
    train_loss: Annotated[Finite | None, Field(description="mean training loss since the last point")] = None
    scores: Scores
    seconds: Annotated[Seconds, Field(description="time spent inside training steps so far")]
    losses_sha256: Annotated[
        str | None,
        Field(description="of the training losses of all updates so far, each as a little-endian float64"),
    ] = None


class Mark(Frozen):
    """What a run of only the first updates can be held to, between evaluations too; noted on no clock."""

    step: Annotated[Positive, Field(description="updates done so far")]
    train_loss: Annotated[Finite, Field(description="mean training loss of all of them")]
    losses_sha256: Annotated[Digest, Field(description="of their training losses, as in a point of the curve")]
    data_sha256: Annotated[Digest, Field(description="of the data, as data_sha256 would be if the run ended here")]


class DataSet(Frozen):
    """A data set of a user's own that a run learned from; never where it lies or came from."""

    name: Name
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of its arrays and of what they mean")]
    length: Annotated[Positive, Field(description="time steps of the longest sequence")]
    inputs: Annotated[Positive, Field(description="features per time step")]
    outputs: Annotated[Positive, Field(description="numbers or classes per readout")]
    shortest: Annotated[
        Positive | None, Field(description="time steps of the shortest sequence, where lengths differ")
    ] = None
    splits: Annotated[dict[str, Count], Field(description="sequences in each split")]
    split_by: Annotated[str, Field(max_length=200, description="the rule, in words")]
    standardised: Annotated[bool, Field(description="by mean and standard deviation of the training split")]


class Metrics(SetUp):
    """What was measured. Throughput is of the steady state, which begins after the first chunk.

    The spreads of throughput follow from the blocks: see ``throughput``. They are kept for readers who want no
    arithmetic, and because records before schema 4 have no blocks.
    """

    final_loss: Annotated[Finite, Field(description="test loss of the reported parameters")]
    score: Annotated[Scores, Field(description="test scores of the reported parameters, by name")]
    score_step: Annotated[Count, Field(description="the update after which they were taken")]
    stopped_at: Annotated[
        Positive | None,
        Field(
            description="the update after which training ended, as spec.patience evaluations in a row had seen no new "
            "lowest validation loss; null where it went to the last"
        ),
    ] = None
    main_score: Annotated[str, Field(description="the score that decides whether the task is solved")]
    higher_is_better: bool
    baseline: Annotated[Scores, Field(description="what a model that learned nothing reaches, by score")]
    landmarks: Annotated[Scores, Field(description="further named levels of the loss")] = {}
    solved: bool
    steps_to: Annotated[
        dict[str, Count | None], Field(description="first evaluated update at which the main score passed a level")
    ] = {}

    train_sequences_per_second: Rate | None
    train_time_steps_per_second: Rate | None
    step_ms: Spread | None
    predict_sequences_per_second: Rate | None
    predict_time_steps_per_second: Rate | None
    train_blocks: Annotated[
        list[Block] | None, Field(description="the timed blocks of training after the first chunk, in order")
    ] = None
    predict_blocks: Annotated[
        list[Block] | None, Field(description="the timed blocks of prediction after the first evaluation, in order")
    ] = None

    data_s: Annotated[Seconds, Field(description="drawing or loading data on the host, in total")]
    first_step_s: Annotated[Seconds, Field(description="the first update, with all tracing and compiling it causes")]
    compile_s: Annotated[
        Seconds | None, Field(description="what the first update took beyond a median one of the steady state")
    ]
    stage_s: Annotated[Seconds, Field(description="moving batches to the device, in total")]
    train_s: Annotated[Seconds, Field(description="inside training steps, in total, the first one included")]
    evaluate_s: Annotated[Seconds, Field(description="predicting and scoring held-out data, in total")]
    wall_s: Annotated[Seconds, Field(description="the worker's life from its first line to its last figure")]

    host_import_bytes: Annotated[Bytes | None, Field(description="resident after importing the framework")]
    host_init_bytes: Annotated[Bytes | None, Field(description="resident after data, gate, model and optimizer")]
    host_peak_bytes: Annotated[Bytes | None, Field(description="the kernel's high-water mark since then")]
    device_init_bytes: Bytes | None = None
    device_peak_bytes: Bytes | None = None
    device_train_s: Annotated[
        Seconds | None,
        Field(description="from the first to the last work of each block on the device, by its own events, in total"),
    ] = None
    device_process_bytes: Annotated[
        Bytes | None,
        Field(description="of the device, held by the worker at most: context and pools, as the driver counts"),
    ] = None
    energy_j: Annotated[
        Amount | None,
        Field(description="joules that the whole device took from before the first update to after the last"),
    ] = None
    joules_per_1000_sequences: Annotated[
        Amount | None, Field(description="the same of the steady state, per 1000 sequences trained")
    ] = None
    device_idle_share: Annotated[
        float | None,
        Field(ge=0, le=1, description="of the steady state's time in training and prediction, the device idle"),
    ] = None

    data_sha256: Annotated[
        str | None,
        Field(description="of what the task says its data is, else of the held-out splits and first training batches"),
    ] = None
    data_set: Annotated[DataSet | None, Field(description="the user's own data, where it was learned from")] = None
    epochs: Annotated[
        Amount | None,
        Field(description="passes over the training data, what filled no batch aside; null where endless"),
    ] = None
    compilations: Annotated[Count, Field(description="traces and compilations, all before the steady state")]
    marks: Annotated[
        list[Mark],
        Field(
            description="after the first update, and after 1, 2, 5, 10, … of them in whole chunks; none before schema 7"
        ),
    ] = []

    @model_validator(mode="after")
    def _scored(self) -> Metrics:
        if self.main_score not in self.score:
            raise ValueError(f"main_score: no score is called {self.main_score[:40]!r}")
        return self

    def without_speed(self) -> Metrics:
        """The same without what depends on having the machine alone: rates, times per update, energy, idle time."""
        return self.model_copy(update=dict.fromkeys(SPEED))

    @property
    def main(self) -> float | None:
        """The score that decides whether the task is solved."""
        return self.score.get(self.main_score)

    @property
    def main_baseline(self) -> float | None:
        """What a model that learned nothing reaches of that score."""
        return self.baseline.get(self.main_score)

    @property
    def gflops(self) -> float | None:
        """10⁹ floating-point operations of matrix products per second, at the median update."""
        return figures.gflops(self.flops_per_step, self.step_ms)

    @property
    def host_growth_bytes(self) -> int | None:
        """Resident memory at its peak beyond the level after initialisation."""
        return figures.growth(self.host_init_bytes, self.host_peak_bytes)


#: The figures that are null where runs shared a machine; seconds in total stay, as what it took.
SPEED: Final = (
    "train_sequences_per_second", "train_time_steps_per_second", "step_ms", "predict_sequences_per_second",
    "predict_time_steps_per_second", "train_blocks", "predict_blocks", "compile_s", "device_train_s", "energy_j",
    "joules_per_1000_sequences", "device_idle_share",
)  # fmt: skip


def throughput(
    train: Sequence[Block], predict: Sequence[Block], batch: int, length: int, first_step_s: float
) -> dict[str, Any]:
    """The fields of ``Metrics`` that follow from the timed blocks, and the blocks themselves.

    Args:
        train: blocks of updates; predict: blocks of sequences.
        batch: sequences per update.
        length: time steps per sequence.
        first_step_s: seconds of the first update.
    """
    step_ms = figures.step_ms(train)
    return {
        "train_sequences_per_second": figures.rates(train, batch),
        "train_time_steps_per_second": figures.rates(train, batch * length),
        "step_ms": step_ms,
        "predict_sequences_per_second": figures.rates(predict, 1),
        "predict_time_steps_per_second": figures.rates(predict, length),
        "compile_s": figures.compile_s(first_step_s, step_ms),
        "train_blocks": list(train),
        "predict_blocks": list(predict),
    }


class Saved(Frozen):
    """What ``harness run --save`` kept beside the record, by the SHA-256 of each file; their names are its id's."""

    parameters: Annotated[Digest, Field(description="of ID.safetensors: the parameters whose scores are reported")]
    predictions: Annotated[Digest, Field(description="of ID.predictions.npz: what they predict of the test split")]


class Place(Frozen):
    """Where a study's run was made, and by what it was brought there."""

    engine: Annotated[Engine, Field(description="what started it: local, ray or slurm")]
    node: Annotated[str, Field(max_length=200, description="the machine, by a name that leads to nobody")]
    share: Annotated[
        Positive, Field(description="runs side by side on the machine; above 1, no figure of speed was measured")
    ] = 1

    @classmethod
    def on(cls, node: str | None, engine: Engine, share: int = 1) -> Place:
        """The place that a machine is, by its name in its network; None for this one."""
        return cls(engine=engine, node=alias(node), share=share)


class Try(Frozen):
    """An earlier try at a run, which a fault of the infrastructure ended: a machine lost, a worker killed, no room."""

    ended: Annotated[Moment, Field(description="when that was noticed")]
    node: Annotated[str, Field(max_length=200, description="the machine on which it ran")]
    reason: Annotated[str, Field(max_length=1000)]

    @classmethod
    def on(cls, node: str | None, reason: str, ended: datetime | None = None) -> Try:
        """A try that ended on a machine, by its name in its network (None for this one): just now, unless told."""
        ended = ended or datetime.now(UTC).replace(microsecond=0)
        return cls(ended=ended, node=alias(node), reason=impersonal(reason)[:1000])


def _only_a_run(command: str | None) -> str | None:
    if command is not None and not runs_only(command):
        raise ValueError("not a command of harness run with options of a spec")
    return command


class Record(Execution, Sealed):
    """One run."""

    KIND: ClassVar[str] = "run"
    schema_version: Literal[7] = SCHEMA_VERSION
    spec: RunSpec
    deterministic: Annotated[
        bool | None,
        Field(description="whether the backend promises the same losses, bit by bit, here again; null where unknown"),
    ] = None
    environment: Environment
    metrics: Metrics | None = None
    curve: list[CurvePoint] = []
    noise: Noise | None = None
    before: Before | None = None
    saved: Annotated[Saved | None, Field(description="the files kept with it; null where none were asked for")] = None
    study: Annotated[StudyMark | None, Field(description="null for a run that belongs to none")] = None
    place: Annotated[Place | None, Field(description="null for a run that belongs to no study")] = None
    tries: Annotated[list[Try], Field(description="earlier tries that left no record, the first one first")] = []
    command: Annotated[
        str | None, AfterValidator(_only_a_run), Field(description="the command that makes this run again, for a shell")
    ] = None

    @property
    def framework_version(self) -> str | None:
        """Version of the framework that computed it."""
        return self.environment.versions.get(self.spec.backend)
