"""Two contestants compared pair by pair."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.analysis.interval import interval
from harness.records.base import Ratio
from harness.records.figures import Block


def ratio(reference: Mapping[int, Block], blocks: Mapping[int, Block]) -> Ratio | None:
    """How many times as fast as ``reference``: the median over rounds of the ratio of seconds per update.

    Args:
        reference, blocks: the turns of each, by round. Only rounds in which both had one count.

    Returns:
        The median with its 95 % percentile bootstrap interval; None where no round has both.
    """
    pairs = [theirs.step_s / blocks[number].step_s for number, theirs in sorted(reference.items()) if number in blocks]
    if not pairs:
        return None
    low, high = interval(pairs) or (None, None)
    return Ratio(median=float(np.median(pairs)), low=low, high=high, pairs=len(pairs))
