"""Whether one of two sides is faster, lighter or more accurate, and whether the measurement can tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import CannotCompare
from harness.records.run import Record

#: Confidence of the intervals.
CONFIDENCE = 0.95
#: Significance level: a difference counts if chance alone would show one as large less often than this. At the
#: interval's own 1 in 20, someone who compares every day would be misled once a month.
ALPHA = 0.01
#: Standard errors that a difference must have to count, if the spread were known.
NORMAL = statistics.NormalDist().inv_cdf(1 - ALPHA / 2)
#: More pairs than anyone would wait for.
HOPELESS = 100_000


@dataclass(frozen=True)
class Difference:
    """How many times as much B takes as A.

    Attributes:
        ratios: for each restart, the median ratio of its pairs.
        ratio: the geometric mean of these; low, high: its 95 % interval.
        p: how often chance alone would show a ratio as far from 1.
        verdict: the side that takes less, if ``p`` is below ``ALPHA``.
        pairs: pairs of blocks in all.
    """

    ratios: list[float]
    ratio: float
    low: float
    high: float
    p: float
    verdict: Literal["A", "B", "neither"]
    pairs: int

    def more_pairs(self) -> int | None:
        """About how many more pairs it would take to show a difference of this size.

        None where the verdict stands already, or the number would be hopeless.
        """
        logs = [math.log(ratio) for ratio in self.ratios]
        mean, spread = statistics.fmean(logs), statistics.stdev(logs)
        if self.verdict != "neither" or mean == 0:
            return None
        needed = math.ceil((NORMAL * spread / abs(mean)) ** 2 * self.pairs / len(logs))
        return max(1, needed - self.pairs) if needed < HOPELESS else None

    def sentence(self, faster: str, unit: str) -> str:
        """ "A is 1.42× faster than B (95 % interval 1.39–1.46, 40 pairs)", or that no difference can be told."""
        if self.verdict == "neither":
            more = self.more_pairs()
            hint = f"; about {more:,} more {unit} would tell" if more else ""
            interval = f"{self.low:.3g}–{self.high:.3g}, {self.pairs} {unit}"
            return f"no difference can be told (ratio {self.ratio:.3g}, 95 % interval {interval}){hint}"
        ahead, behind = ("A", "B") if self.verdict == "A" else ("B", "A")
        times, low, high = self.ratio, self.low, self.high
        if self.verdict == "B":
            times, low, high = 1 / times, 1 / high, 1 / low
        interval = f"{low:.3g}–{high:.3g}, {self.pairs} {unit}"
        return f"{ahead} is {times:.3g}× {faster} than {behind} (95 % interval {interval})"


def difference(ratios: Sequence[Sequence[float]]) -> Difference:
    """Judge ratios of B to A, given pair by pair for each restart.

    Within a restart the median is taken, which disturbed blocks hardly move. The restarts are the independent
    observations: the mean of the logarithms of their medians has Student's t interval.
    """
    medians = [statistics.median(each) for each in ratios]
    mean, low, high, p = student([math.log(each) for each in medians])
    verdict: Literal["A", "B", "neither"] = "neither" if p >= ALPHA else "A" if mean > 0 else "B"
    return Difference(medians, math.exp(mean), math.exp(low), math.exp(high), p, verdict, sum(map(len, ratios)))


def student(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float, float]:
    """Mean of independent values, its interval (low, high), and how often chance alone is as far from 0 (p).

    Args:
        values: at least two.
        confidence: of the interval, 95 % unless given.
    """
    from scipy.special import stdtr, stdtrit  # slow to import, scipy.stats far more so

    mean, n = statistics.fmean(values), len(values)
    error = statistics.stdev(values) / math.sqrt(n)
    if not error:
        return mean, mean, mean, float(not mean)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * error
    return mean, mean - half, mean + half, 2 * float(stdtr(n - 1, -abs(mean) / error))


def welch(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """The mean of ``b`` less the mean of ``a``, with its interval: variances need not be equal.

    Args:
        a, b: independent values, at least two of each.
        confidence: of the interval, 95 % unless given.
    """
    mean = statistics.fmean(b) - statistics.fmean(a)
    of_a, of_b = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    if not (both := of_a + of_b):
        return mean, mean, mean  # the same seeds give the same scores to the last bit
    from scipy.special import stdtrit  # scipy.stats.ttest_ind warns of sides that do not vary, which ours may not

    # Welch (1947), with Satterthwaite's degrees of freedom; by shares, since no float holds an absurd variance's square
    freedom = 1 / ((of_a / both) ** 2 / (len(a) - 1) + (of_b / both) ** 2 / (len(b) - 1))
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(both)
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Accuracy:
    """The main scores of whole runs, paired by seed: both sides of a pair had the same data and initial parameters.

    Attributes:
        score: the score's name.
        a, b: means over the seeds.
        difference: mean of b − a; low, high: its 95 % interval.
        better: the side that learned more, if the interval excludes 0.
    """

    score: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    seeds: int
    better: Literal["A", "B", "neither"]

    def sentence(self) -> str:
        """The comparison in one sentence."""
        verdict = "no difference can be told" if self.better == "neither" else f"{self.better} has learned more"
        return (
            f"accuracy: {verdict} ({self.score}: A {self.a:.4g}, B {self.b:.4g}; B less A {self.difference:.2g}, "
            f"95 % interval {self.low:.2g} to {self.high:.2g}, {self.seeds} seeds)"
        )


def accuracy(a: Sequence[Record], b: Sequence[Record]) -> Accuracy:
    """Compare the scores of finished runs, given in the order of their seeds on both sides.

    Raises:
        CannotCompare: a run has no result.
    """
    for side, records in (("A", a), ("B", b)):
        for record in records:
            if record.metrics is None:
                raise CannotCompare(f"{side}, seed {record.spec.seed}: {record.status}: {record.reason}")
    ours, theirs = ([r.metrics for r in records if r.metrics] for records in (a, b))
    name, sign = ours[0].main_score, 1 if ours[0].higher_is_better else -1
    first, second = ([metrics.score[name] for metrics in side] for side in (ours, theirs))
    mean, low, high, _ = student([y - x for x, y in zip(first, second, strict=True)])
    if not low <= 0 <= high:
        better: Literal["A", "B", "neither"] = "B" if sign * mean > 0 else "A"
    else:
        better = "neither"
    return Accuracy(name, statistics.fmean(first), statistics.fmean(second), mean, low, high, len(first), better)
