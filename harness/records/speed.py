"""The record of a speed contest: one JSON document per call of ``harness speed``.

The JSON Schema in ``harness/records/schema/`` is generated from these models. Sizes are in bytes, times in
seconds unless the name says otherwise; null stands for "not measured". The seconds of every block are
kept, so that anyone can compute the figures and intervals again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, computed_field

from backends.base import Tier
from backends.job import Device
from harness.records.base import Bytes, Environment, Gate, Ratio, Seconds, Spread, Status
from harness.records.migrations import SPEED_CURRENT
from harness.records.seal import digest
from harness.specs.base import Frozen, Positive
from harness.specs.speed import Changes, SpeedSpec

SCHEMA_VERSION: Final = SPEED_CURRENT


class Timed(Frozen):
    """One timed block."""

    round: Annotated[int, Field(ge=0)]
    steps: Annotated[Positive, Field(description="updates")]
    seconds: Seconds


class Limits(Frozen):
    """What the framework reaches on the device where nothing is in its way, reading by reading."""

    gflops: Annotated[list[float], Field(description="one large square matrix product, GFLOP/s")]
    gb_per_s: Annotated[list[float], Field(description="one large array copied, read and written, 10⁹ bytes/s")]
    us_per_step: Annotated[
        list[float], Field(description="one product of a chain of tiny dependent ones, microseconds")
    ] = []


class Roof(Frozen):
    """What a device gives, from all readings of a call."""

    gemm_gflops: Annotated[float | None, Field(description="the highest median rate of a large matrix product")] = None
    copy_gb_per_s: Annotated[float | None, Field(description="the same of a large copy, 10⁹ bytes/s")] = None
    us_per_step: Annotated[
        dict[str, float],
        Field(description="by backend, the per-step latency of a chain of dependent products: fastest"),
    ] = {}


class Ready(Frozen):
    """What getting ready cost, and what an update takes by arithmetic."""

    import_s: Annotated[Seconds, Field(description="importing the framework, NumPy included")]
    gate_s: Annotated[Seconds, Field(description="the parity check")]
    build_s: Annotated[Seconds, Field(description="constructing model and optimizer on the device")]
    first_s: Annotated[Seconds, Field(description="the first call, with all tracing and compiling it causes")]
    first_updates: Annotated[int, Field(description="updates of the first call: one, or a fused variant's chunk")]
    host_import_bytes: Annotated[Bytes | None, Field(description="resident after importing the framework")] = None
    host_init_bytes: Annotated[Bytes | None, Field(description="resident after gate, model and optimizer")] = None
    device_init_bytes: Bytes | None = None
    parameters: Annotated[int, Field(description="trainable numbers")]
    flops_per_step: Annotated[int, Field(description="of the matrix products of one update")]
    bytes_per_step: Annotated[int, Field(description="the fewest bytes that one update moves: a lower bound")]
    dependent_steps: Annotated[
        int | None, Field(description="steps of one update that must follow one another, at the least")
    ] = None


class Figures(Frozen):
    """What a contestant's blocks amount to."""

    step_ms: Spread
    sequences_per_second: Spread
    gflops: Annotated[float, Field(description="of the matrix products, at the median step")]
    gemm_share: Annotated[float | None, Field(description="of the matrix product's rate measured in the same call")]
    copy_share: Annotated[
        float | None,
        Field(description="of the copy's rate measured in the same call: the fewest bytes of an update at its median"),
    ] = None
    floor_ms: Annotated[
        float | None,
        Field(description="the update's dependent steps at the per-step latency of its backend and device"),
    ] = None
    floor_share: Annotated[float | None, Field(description="of the median step: floor_ms over it")] = None
    compile_s: Annotated[Seconds, Field(description="what the first call took beyond its updates at the median step")]
    ratio: Annotated[Ratio | None, Field(description="to the stock layer of the same framework on the same device")]


class Row(Frozen):
    """One contestant."""

    spec: SpeedSpec
    status: Status
    reason: Annotated[str | None, Field(description="why the status is not ok")] = None
    variant: Annotated[str | None, Field(description="the variant that ran")] = None
    tier: Tier | None = None
    variant_reason: Annotated[str | None, Field(description="why it was chosen")] = None
    added: Annotated[bool, Field(description="not asked for: takes part as the reference of the ratio")] = False
    executed: Annotated[str | None, Field(description="what computed the recurrence, found by looking")] = None
    gate: Gate | None = None
    threads: Annotated[int | None, Field(description="threads in force, read back from the framework")] = None
    flushes_denormals: Annotated[bool | None, Field(description="read back by a multiplication")] = None
    affinity: Annotated[list[int], Field(description="CPUs that the worker was allowed to use")] = []
    versions: dict[str, str] = {}
    device_name: str | None = None
    ready: Ready | None = None
    blocks: list[Timed] = []
    figures: Figures | None = None
    host_peak_bytes: Annotated[Bytes | None, Field(description="the kernel's high-water mark since then")] = None
    device_peak_bytes: Bytes | None = None
    compilations: Annotated[int | None, Field(description="traces and compilations, none in the steady state")] = None
    limits: Limits | None = None
    log_tail: Annotated[str | None, Field(description="the end of the worker's output, where it matters")] = None

    @property
    def name(self) -> str:
        """Backend and variant."""
        return f"{self.spec.backend} {self.variant or self.spec.variant}"

    @property
    def place(self) -> tuple[str, str]:
        """Backend and device."""
        return self.spec.backend, self.spec.device


class Contest(Frozen):
    """All contestants of one shape, which were alive at the same time."""

    name: Annotated[str | None, Field(description="of a named shape")] = None
    changed: Annotated[
        Changes, Field(description="by field, the named shape's value and this contest's, where they differ")
    ] = {}
    rows: list[Row]

    @property
    def devices(self) -> list[str]:
        """On which its contestants compute."""
        return sorted({row.spec.device for row in self.rows})

    def name_of(self, row: Row) -> str:
        """Who a row is among these: backend and variant, and the device where there are several."""
        return f"{row.name} ({row.spec.device})" if len(self.devices) > 1 else row.name


class SpeedRecord(Frozen):
    """One call of ``harness speed``."""

    kind: Literal["speed"] = "speed"
    schema_version: Literal[2] = SCHEMA_VERSION
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    created: datetime
    status: Annotated[Literal["ok", "failed", "interrupted"], Field(description="failed: a row is not ok")]
    rounds: Annotated[Positive, Field(description="turns that each contestant was to take")]
    block_s: Annotated[float, Field(description="seconds that a block was to take")]
    starts: Annotated[
        Positive, Field(description="contestants that got ready at a time: above 1, what getting ready cost is shared")
    ] = 1
    environment: Environment
    roofs: Annotated[dict[Device, Roof], Field(description="what each device gives, over all contestants")] = {}
    contests: list[Contest]

    def name_of(self, row: Row) -> str:
        """Who a row is in this call: as ``Contest.name_of``, alike in all contests."""
        several = len({device for contest in self.contests for device in contest.devices}) > 1
        return f"{row.name} ({row.spec.device})" if several else row.name

    @computed_field(description="SHA-256 of everything else: see harness.records.seal")  # type: ignore[prop-decorator]
    @property
    def digest(self) -> str:
        """Of the record's contents, so that a change of any field shows."""
        return digest(self.model_dump(mode="json", exclude={"digest"}))


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of a speed record."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SpeedRecord.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
