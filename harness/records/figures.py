"""What timed blocks amount to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.records.base import Spread


@dataclass(frozen=True)
class Block:
    """``steps`` things done in ``seconds``: updates, or sequences predicted."""

    steps: int
    seconds: float


def spread(values: list[float]) -> Spread | None:
    """Median, 10th and 90th percentile (linear interpolation) of figures measured block by block."""
    if not values:
        return None
    p10, median, p90 = np.percentile(values, [10, 50, 90])
    return Spread(median=float(median), p10=float(p10), p90=float(p90), blocks=len(values))


def rates(blocks: list[Block], units_per_step: int) -> Spread | None:
    """Units per second of each block: sequences or time steps."""
    return spread([block.steps * units_per_step / block.seconds for block in blocks if block.seconds > 0])
