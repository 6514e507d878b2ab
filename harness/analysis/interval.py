"""The 95 % bootstrap interval of a mean or a median."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

#: Values below which an interval would say nothing.
FEWEST = 3
RESAMPLES = 4000
#: Values that are drawn at a time: with all resamples at once, memory would grow with every run.
DRAWN = 2**20


def interval(values: Sequence[float], statistic: Callable[..., Any] = np.median) -> tuple[float, float] | None:
    """Percentile bootstrap, 95 %, of ``np.median`` or ``np.mean``; None of fewer than ``FEWEST`` values."""
    if len(values) < FEWEST:
        return None
    if min(values) == max(values):
        return float(values[0]), float(values[0])  # scipy warns of a degenerate distribution
    from scipy.stats import bootstrap  # a second of importing: only once all is measured

    found = bootstrap(
        (np.asarray(values),),
        statistic,
        n_resamples=RESAMPLES,
        method="percentile",
        random_state=0,
        vectorized=True,
        batch=max(1, DRAWN // len(values)),
    ).confidence_interval
    return float(found.low), float(found.high)


class Average(NamedTuple):
    """A mean or median, and the ends of its 95 % interval; None where there are too few values."""

    value: float | None
    low: float | None
    high: float | None


def averaged(
    values: Sequence[float],
    average: Callable[[Sequence[float]], float] = statistics.median,
    vectorized: Callable[..., Any] = np.median,
) -> Average:
    """The average of these values and its interval.

    Args:
        vectorized: the same average, of arrays along an axis.
    """
    low, high = interval(values, vectorized) or (None, None)
    return Average(average(values) if values else None, low, high)
