"""The figures that follow from what was measured: each is computed here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from harness.records.base import Seconds, Spread
from harness.specs.base import Positive

MIB = 2**20


@dataclass(frozen=True)
class Block:
    """``steps`` updates of training, or sequences of prediction, that were timed together."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    steps: Annotated[Positive, Field(description="updates, or sequences predicted")]
    seconds: Seconds

    @property
    def step_s(self) -> float:
        """Seconds per step."""
        return self.seconds / self.steps


def step_ms(blocks: Iterable[Block]) -> Spread | None:
    """Milliseconds per step, block by block."""
    return Spread.of([1e3 * block.step_s for block in blocks])


def rates(blocks: Iterable[Block], units_per_step: int) -> Spread | None:
    """Units per second, block by block: sequences, or time steps."""
    return Spread.of([block.steps * units_per_step / block.seconds for block in blocks if block.seconds > 0])


def compile_s(first_s: float, steady_ms: Spread | None, updates: int = 1) -> float | None:
    """Seconds that the first call took beyond its ``updates`` at the median of the steady state."""
    return None if steady_ms is None else max(0.0, first_s - updates * steady_ms.median / 1e3)


def gflops(flops_per_step: int | None, steady_ms: Spread | None) -> float | None:
    """10⁹ floating-point operations per second, at the median step; None where they were not counted."""
    return flops_per_step / steady_ms.median / 1e6 if flops_per_step and steady_ms and steady_ms.median else None


def growth(level: int | None, peak: int | None) -> int | None:
    """Bytes that a peak of memory lies above the level after initialisation; None where either was not measured."""
    return None if level is None or peak is None else max(0, peak - level)


def mib(size: float | None) -> float | None:
    """Bytes in MiB."""
    return None if size is None else size / MIB
