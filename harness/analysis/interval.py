"""The 95 % bootstrap interval of a mean or a median."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Values below which an interval would say nothing.
FEWEST = 3
RESAMPLES = 4000
#: Values beyond which the resamples' own distribution is known better than 4000 of them tell it.
MANY: Final = 500
#: The two-sided 95 % quantile of the normal distribution.
_Z: Final = statistics.NormalDist().inv_cdf(0.975)
Statistic = Callable[..., Any]
#: Intervals by a digest of the values and the statistic.
Memory = MutableMapping[bytes, tuple[float, float]]
_MEMORY: ContextVar[Memory | None] = ContextVar("memory", default=None)


def interval(values: Sequence[float], statistic: Statistic = np.median) -> tuple[float, float] | None:
    """Percentile bootstrap, 95 %, of ``np.median`` or ``np.mean``; None of fewer than ``FEWEST`` values.

    The figures of ``scipy.stats.bootstrap`` with ``RESAMPLES`` resamples and the random state 0, but faster. Beyond
    ``MANY`` values the ends are those that more and more resamples lead to: of a median the order statistics at the
    binomial quantiles (Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, section 10.3), of a mean
    those of its normal limit.
    """
    if len(values) < FEWEST:
        return None
    if min(values) == max(values):
        return float(values[0]), float(values[0])
    given = np.asarray(values, dtype=float)
    if (memory := _MEMORY.get()) is None:
        return _interval(given, statistic)
    key = hashlib.sha256(given.tobytes() + (b"mean" if statistic is np.mean else b"median")).digest()
    if key not in memory:
        memory[key] = _interval(given, statistic)
    return memory[key]


@contextmanager
def remembering(memory: Memory) -> Iterator[None]:
    """A block in which intervals that are in ``memory`` are not computed, and those that are computed go there."""
    token = _MEMORY.set(memory)
    try:
        yield
    finally:
        _MEMORY.reset(token)


def _interval(values: NDArray[np.float64], statistic: Statistic) -> tuple[float, float]:
    if len(values) > MANY:
        return _limit(values, statistic)
    found = _resampled_means(values) if statistic is np.mean else _resampled_medians(values)
    return _percentile(found, 0.025), _percentile(found, 0.975)


def _limit(values: NDArray[np.float64], statistic: Statistic) -> tuple[float, float]:
    count = len(values)
    if statistic is np.mean:
        middle, reach = float(values.mean()), _Z * float(values.std()) / math.sqrt(count)
        return middle - reach, middle + reach
    # a resample's median lies above the k-th value if fewer than half of its draws are among the first k
    reach = _Z * math.sqrt(count) / 2
    low, high = math.floor(count / 2 - reach), math.ceil(count / 2 + reach)
    ordered = np.sort(values)
    return float(ordered[max(0, low)]), float(ordered[min(count - 1, high - 1)])


@lru_cache(maxsize=4)
def _draws(count: int) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Which of ``count`` values each resample draws, (resamples, count), and how often each value, (count, resamples).

    They are the same for all values of that number, since the random state is.
    """
    drawn = np.random.RandomState(0).randint(0, count, (RESAMPLES, count))
    places = drawn + count * np.arange(RESAMPLES)[:, None]
    often = np.bincount(places.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count)
    return drawn, np.ascontiguousarray(often.T.astype(np.uint16))


def _resampled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    drawn, _ = _draws(len(values))
    means: NDArray[np.float64] = values[drawn].mean(axis=-1)
    return means


def _resampled_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """By counting how many draws are among the lowest values, which is faster than to sort each resample."""
    _, often = _draws(len(values))
    order = np.argsort(values, kind="stable")
    below, ordered = np.cumsum(often[order], axis=0, dtype=np.uint16), values[order]
    lower, upper = ((below <= rank).sum(axis=0) for rank in ((len(values) - 1) // 2, len(values) // 2))
    medians: NDArray[np.float64] = (ordered[lower] + ordered[upper]) / 2
    return medians


def _percentile(values: NDArray[np.float64], share: float) -> float:
    """As ``np.percentile``, interpolated linearly."""
    place = share * (len(values) - 1)
    below = int(place)
    low, high = np.partition(values, (below, below + 1))[below : below + 2].tolist()
    part = place - below
    return float(high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part)


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
