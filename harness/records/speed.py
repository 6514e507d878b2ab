"""The record of a speed contest: one JSON document per call of ``harness speed``.

The JSON Schema in ``harness/records/schema/`` is generated from these models. Sizes are in bytes, times in
seconds unless the name says otherwise; null stands for "not measured". The seconds of every block are
kept, so that anyone can compute the figures and intervals again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, model_validator

from backends.job import Device
from harness.records import figures
from harness.records.base import (
    Amount,
    Before,
    Bytes,
    Environment,
    Execution,
    Magnitude,
    Noise,
    Rate,
    Ratio,
    Sealed,
    Seconds,
    SetUp,
    Spread,
)
from harness.records.figures import Block
from harness.records.migrations import SPEED_CURRENT
from harness.specs.base import Count, Frozen, Positive
from harness.specs.speed import Changes, SpeedSpec

SCHEMA_VERSION: Final = SPEED_CURRENT


@dataclass(frozen=True, kw_only=True)
class Timed(Block):
    """The block of updates that a contestant did in one round."""

    seconds: Annotated[Seconds, Field(ge=1e-12)]
    round: Count


class Limits(Frozen):
    """What the framework reaches on the device where nothing is in its way, reading by reading."""

    gflops: Annotated[list[Magnitude], Field(description="one large square matrix product, GFLOP/s")]
    gb_per_s: Annotated[list[Magnitude], Field(description="one large array copied, read and written, 10⁹ bytes/s")]
    us_per_step: Annotated[
        list[Magnitude], Field(description="one product of a chain of tiny dependent ones, microseconds")
    ] = []


class Roof(Frozen):
    """What a device gives, from all readings of a call."""

    gemm_gflops: Annotated[Magnitude | None, Field(description="the highest median rate of a large matrix product")] = (
        None
    )
    copy_gb_per_s: Annotated[Magnitude | None, Field(description="the same of a large copy, 10⁹ bytes/s")] = None
    us_per_step: Annotated[
        dict[str, Magnitude],
        Field(description="by backend, the per-step latency of a chain of dependent products: fastest"),
    ] = {}


class Ready(SetUp):
    """What getting ready cost, and what a step, an update or a prediction, takes by arithmetic."""

    first_s: Annotated[Seconds, Field(description="the first call, with all tracing and compiling it causes")]
    first_updates: Annotated[Positive, Field(description="updates of the first call: one, or a fused variant's chunk")]
    host_import_bytes: Annotated[Bytes | None, Field(description="resident after importing the framework")] = None
    host_init_bytes: Annotated[Bytes | None, Field(description="resident after gate, model and optimizer")] = None
    device_init_bytes: Bytes | None = None
    bytes_per_step: Annotated[
        Positive | None, Field(description="the fewest bytes that one update moves: a lower bound")
    ] = None
    dependent_steps: Annotated[
        Count | None, Field(description="steps of one update that must follow one another, at the least")
    ] = None


class Figures(Frozen):
    """What a contestant's blocks amount to."""

    step_ms: Spread
    sequences_per_second: Rate
    gflops: Annotated[Magnitude, Field(description="of the matrix products, at the median step")]
    gemm_share: Annotated[Amount | None, Field(description="of the matrix product's rate measured in the same call")]
    copy_share: Annotated[
        Amount | None,
        Field(description="of the copy's rate measured in the same call: the fewest bytes of an update at its median"),
    ] = None
    floor_ms: Annotated[
        Amount | None,
        Field(description="the update's dependent steps at the per-step latency of its backend and device"),
    ] = None
    floor_share: Annotated[Amount | None, Field(description="of the median step: floor_ms over it")] = None
    compile_s: Annotated[Seconds, Field(description="what the first call took beyond its updates at the median step")]
    ratio: Annotated[Ratio | None, Field(description="to the stock layer of the same framework on the same device")]

    @classmethod
    def of(cls, blocks: Iterable[Block], batch: int, ready: Ready, ratio: Ratio | None) -> Figures | None:
        """The figures of a contestant's blocks, without shares of the machine's limits; None without blocks.

        Args:
            batch: sequences per update.
        """
        blocks = list(blocks)
        step_ms, rates = figures.step_ms(blocks), figures.rates(blocks, batch)
        compile_s = figures.compile_s(ready.first_s, step_ms, ready.first_updates)
        gflops = figures.gflops(ready.flops_per_step, step_ms)
        if step_ms is None or rates is None or compile_s is None or gflops is None:
            return None
        return cls(
            step_ms=step_ms, sequences_per_second=rates, gflops=gflops, gemm_share=None, compile_s=compile_s,
            ratio=ratio,
        )  # fmt: skip


class Row(Execution):
    """One contestant."""

    spec: SpeedSpec
    added: Annotated[bool, Field(description="not asked for: takes part as the reference of the ratio")] = False
    threads: Annotated[Count | None, Field(description="threads in force, read back from the framework")] = None
    flushes_denormals: Annotated[bool | None, Field(description="read back by a multiplication")] = None
    affinity: Annotated[list[Count], Field(description="CPUs that the worker was allowed to use")] = []
    versions: dict[str, str] = {}
    device_name: str | None = None
    ready: Ready | None = None
    blocks: list[Timed] = []
    figures: Figures | None = None
    host_peak_bytes: Annotated[Bytes | None, Field(description="the kernel's high-water mark since then")] = None
    device_peak_bytes: Bytes | None = None
    compilations: Annotated[Count | None, Field(description="traces and compilations, none in the steady state")] = None
    limits: Limits | None = None
    noise: Annotated[Noise | None, Field(description="of its turns together; null where it took none")] = None

    @model_validator(mode="after")
    def _got_ready(self) -> Row:
        if self.figures is not None and self.ready is None:
            raise ValueError("figures: of a contestant that never got ready")
        return self

    @property
    def by_round(self) -> dict[int, Block]:
        """Its blocks by the number of the round."""
        return {block.round: block for block in self.blocks}

    @property
    def host_growth_bytes(self) -> int | None:
        """Resident memory at its peak beyond the level after initialisation."""
        return figures.growth(self.ready.host_init_bytes, self.host_peak_bytes) if self.ready else None

    @property
    def device_growth_bytes(self) -> int | None:
        """The device allocator's peak beyond the level after initialisation."""
        return figures.growth(self.ready.device_init_bytes or 0, self.device_peak_bytes) if self.ready else None

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
    rows: Annotated[list[Row], Field(min_length=1)]
    before: Before | None = None

    @property
    def predicts(self) -> bool:
        """Whether predictions were timed, and not updates: the same for all its contestants."""
        return self.rows[0].spec.predicts

    @property
    def devices(self) -> list[str]:
        """On which its contestants compute."""
        return sorted({row.spec.device for row in self.rows})

    def name_of(self, row: Row) -> str:
        """Who a row is among these: backend and variant, and the device where there are several."""
        return f"{row.name} ({row.spec.device})" if len(self.devices) > 1 else row.name


class SpeedRecord(Sealed):
    """One call of ``harness speed``."""

    KIND: ClassVar[str] = "speed"
    kind: Literal["speed"] = "speed"
    schema_version: Literal[5] = SCHEMA_VERSION
    status: Annotated[Literal["ok", "failed", "interrupted"], Field(description="failed: a row is not ok")]
    rounds: Annotated[Positive, Field(description="turns that each contestant was to take")]
    block_s: Annotated[Seconds, Field(description="seconds that a block was to take")]
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
