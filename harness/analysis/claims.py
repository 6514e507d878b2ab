"""Whether a claim holds: figures with their intervals, and the verdict that a rule's bounds give them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from harness.analysis.difference import CONFIDENCE, student
from harness.records.claim import ClaimRecord, Decided

#: Standard deviations from the median of a normal distribution to its 5th and 95th percentile.
_TWENTIETH: Final = statistics.NormalDist().inv_cdf(0.95)
#: Below it a distance between two losses is that of rounding alone.
LEAST_DISTANCE: Final = 1e-12


class Interval(NamedTuple):
    """A figure and the ends of its 95 % interval; an end is infinite where nothing bounds it."""

    value: float
    low: float
    high: float


def decide(found: Interval, above: float | None, below: float | None) -> Decided:
    """The verdict on a figure.

    It holds where the whole interval lies within the bounds, and does not where all of it lies outside; an interval
    that contains a bound, or touches it, tells neither.

    Args:
        above, below: the bounds; None for none.
    """
    if math.isnan(found.low) or math.isnan(found.high):
        return "cannot be told"
    low = -math.inf if above is None else above
    high = math.inf if below is None else below
    if found.high < low or found.low > high:
        return "does not hold here"
    if (above is None or found.low > low) and (below is None or found.high < high):
        return "holds here"
    return "cannot be told"


def together(verdicts: Iterable[Decided]) -> Decided:
    """The verdict on a claim that says all of these: one that does not hold refutes it."""
    found = list(verdicts)
    if "does not hold here" in found:
        return "does not hold here"
    return "holds here" if found and set(found) == {"holds here"} else "cannot be told"


def mean(values: Sequence[float]) -> Interval:
    """The mean of independent values, with Student's t interval; of one value nothing bounds it.

    Raises:
        ValueError: there are none.
    """
    if len(values) < 2:
        (value,) = values
        return Interval(value, -math.inf, math.inf)
    middle, low, high, _ = student(values)
    return Interval(middle, low, high)


def geometric_mean(values: Sequence[float]) -> Interval:
    """The same of the logarithms of values above zero; of one value nothing bounds it.

    Raises:
        ValueError: there are none.
    """
    logs = mean([math.log(value) for value in values])
    high = math.inf if math.isinf(logs.high) else math.exp(logs.high)
    return Interval(math.exp(logs.value), math.exp(logs.low), high)


def share(reached: int, of: int) -> Interval:
    """The share of seeds that reach something, with the interval of Clopper & Pearson (1934).

    Args:
        reached: of the seeds; of: how many there are, at least one.
    """
    from scipy.stats import beta  # slow to import

    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, reached, of - reached + 1)) if reached else 0.0
    high = float(beta.ppf(1 - tail, reached + 1, of - reached)) if reached < of else 1.0
    return Interval(reached / of, low, high)


class Steps(NamedTuple):
    """Updates that a run took to a level; where it never reached it, the updates that it made.

    Attributes:
        updates: at least one.
        reached: whether it got there.
    """

    updates: int
    reached: bool


def steps_ratio(of: Sequence[Steps], to: Sequence[Steps]) -> Interval:
    """How many times as many updates ``of`` needs as ``to``, over pairs of one seed each: geometric mean, t interval.

    A run that never got there would have needed more than it made. So where one of ``of`` did not, the ratio has no
    upper end; where one of ``to`` did not, it has no lower one above zero; where both, it has neither.
    """
    found = geometric_mean([ours.updates / theirs.updates for ours, theirs in zip(of, to, strict=True)])
    low = found.low if all(each.reached for each in to) else 0.0
    high = found.high if all(each.reached for each in of) else math.inf
    return Interval(found.value, low, high)


def spread(steps: Sequence[Steps]) -> Interval:
    """How far seeds scatter: updates of the slowest twentieth of them over those of the fastest, at the median of each.

    Their logarithms are taken as normally distributed; the interval is that of the standard deviation (chi square).
    Where one never got there, the figure has no upper end.

    Args:
        steps: of three seeds at least.
    """
    from scipy.stats import chi2  # slow to import

    count = len(steps)
    if count < 3:
        return Interval(math.nan, 1.0, math.inf)
    deviation = statistics.stdev(math.log(each.updates) for each in steps)
    tail = (1 - CONFIDENCE) / 2
    ends = (deviation * math.sqrt((count - 1) / float(chi2.ppf(each, count - 1))) for each in (1 - tail, tail))
    value, low, high = (math.exp(2 * _TWENTIETH * each) for each in (deviation, *ends))
    return Interval(value, low, high if all(each.reached for each in steps) else math.inf)


def drift(curves: Sequence[Sequence[float]], at: int) -> Interval:
    """How far the losses before update ``at`` are apart, relative to their mean: geometric mean over all pairs of
    curves, with the t interval of these. Pairs share curves, so that the interval is rather too narrow.

    Args:
        curves: losses update by update, of two backends at least, all longer than or as long as ``at``.
        at: counted from 1.
    """
    losses = [curve[at - 1] for curve in curves]
    apart = [
        max(2 * abs(a - b) / max(abs(a) + abs(b), LEAST_DISTANCE), LEAST_DISTANCE) for a, b in combinations(losses, 2)
    ]
    return geometric_mean(apart)


def newest(records: Iterable[ClaimRecord]) -> dict[str, ClaimRecord]:
    """Of each claim the newest record, by id, in the order of ids.

    Args:
        records: in the order of their making.
    """
    return dict(sorted({record.claim: record for record in records}.items()))
