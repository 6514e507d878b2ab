"""Two specs side by side: live workers in turns, several pairs of processes, and what can be told of the difference."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import tasks
from harness.contest import Lane, Lost, fit, hold
from harness.live import Live, until
from harness.plan import UsageError
from harness.records import Record
from harness.spec import RunSpec, SpeedSpec
from harness.speedrun import SETTLE_S

#: Of the interval.
CONFIDENCE = 0.95
#: A difference is told where chance alone would show one as large less often than this: with the interval's own
#: 1 in 20, someone who compares every day would be misled once a month.
ALPHA = 0.01
#: Standard errors away from 1 at which a difference is told, were the spread known.
NORMAL = statistics.NormalDist().inv_cdf(1 - ALPHA / 2)
HOPELESS = 100_000
Tell = Callable[[str], None]


class CannotCompare(RuntimeError):
    """One side cannot run; says which and why."""


@dataclass(frozen=True)
class Effort:
    """How hard to look.

    Attributes:
        pairs: of blocks, in all.
        restarts: pairs of processes that they come from: two processes of one spec differ by their memory's layout.
        block_s: seconds that a block should take.
        timeout: seconds for each pair of processes; None for as long as it takes.
    """

    pairs: int = 160
    restarts: int = 8
    block_s: float = 0.1
    timeout: float | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where nothing could be told from so little."""
        if self.restarts < 2:
            raise UsageError(f"--restarts must be at least 2, not {self.restarts}: one is none to tell a spread from")
        if self.pairs < self.restarts:
            raise UsageError(f"--pairs must be at least --restarts, {self.restarts}, not {self.pairs}")
        if not 0 < self.block_s <= 60:
            raise UsageError(f"--block must be above 0 and at most 60 seconds, not {self.block_s:g}")

    def rounds(self) -> list[int]:
        """Pairs of each restart."""
        return [self.pairs // self.restarts + (i < self.pairs % self.restarts) for i in range(self.restarts)]


@dataclass(frozen=True)
class Difference:
    """How many times as much B takes as A, restart by restart, and what that amounts to.

    Attributes:
        ratios: of each restart: the median of its pairs.
        ratio: their geometric mean; low, high: its 95 % interval.
        p: how often chance alone would show a ratio as far from 1.
        verdict: which side has less, if it can be told: ``p`` below ``ALPHA``.
        pairs: blocks compared.
    """

    ratios: list[float]
    ratio: float
    low: float
    high: float
    p: float
    verdict: Literal["A", "B", "neither"]
    pairs: int

    def more_pairs(self) -> int | None:
        """About how many more pairs would tell a difference of this size; None where too many, or enough are there."""
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
    """What ratios of B to A, pair by pair for each restart, amount to.

    The median of a restart's pairs is robust against blocks that were disturbed. The restarts' medians, in logarithms,
    are what is independent: their mean has Student's t interval, with one degree of freedom fewer than restarts.
    """
    medians = [statistics.median(each) for each in ratios]
    mean, low, high, p = student([math.log(each) for each in medians])
    verdict: Literal["A", "B", "neither"] = "neither" if p >= ALPHA else "A" if mean > 0 else "B"
    return Difference(medians, math.exp(mean), math.exp(low), math.exp(high), p, verdict, sum(map(len, ratios)))


def student(values: Sequence[float]) -> tuple[float, float, float, float]:
    """By Student's t: the mean of independent values, its 95 % interval, how often chance alone is as far from 0."""
    from scipy.stats import t  # slow to import

    mean, n = statistics.fmean(values), len(values)
    error = statistics.stdev(values) / math.sqrt(n)
    if not error:
        return mean, mean, mean, float(not mean)
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
    return mean, mean - half, mean + half, 2 * float(t.sf(abs(mean) / error, n - 1))


def shape(spec: RunSpec) -> SpeedSpec:
    """The contestant of a run's shape: same model, job and settings, on random data that is staged once."""
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job = spec.job(task)
    same = {name: getattr(spec, name) for name in ("backend", "variant", "device", "precision", "threads", "denormals",
                                                   "deterministic", "model", "optimizer", "batch", "seed")}  # fmt: skip
    return SpeedSpec(
        **same, length=job.length, features=job.model.inputs, outputs=job.model.outputs, loss=job.loss,
        readout=job.model.readout,
    )  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Time and memory of B over A; memory is None where it was not measured, or grew by nothing."""

    time: Difference
    memory: Difference | None
    variants: tuple[str, str]

    def lines(self) -> list[str]:
        """For people."""
        memory = self.memory.sentence("lighter", "starts") if self.memory else "not measured"
        return [f"memory: {memory}", self.time.sentence("faster", "pairs")]


def compare(a: RunSpec, b: RunSpec, effort: Effort, tell: Tell) -> Comparison:
    """Compare two specs.

    Raises:
        CannotCompare: a side cannot run.
        TimedOut: a pair of processes took longer than ``effort.timeout``.
    """
    sides = {"A": shape(a), "B": shape(b)}
    times: list[list[float]] = []
    growths: list[list[float]] = []
    variants: tuple[str, str] = ("", "")
    for start, rounds in enumerate(effort.rounds()):
        tell(f"pair of processes {start + 1} of {effort.restarts}")
        # who starts first, and so gets the better memory, alternates
        order = ("A", "B") if start % 2 == 0 else ("B", "A")
        lives: dict[str, Live] = {}
        try:
            for side in order:
                lives[side] = Live(sides[side], until(effort.timeout))
                _ready(side, lives[side])
            lanes = {side: Lane(lives[side]) for side in order}
            for lane in lanes.values():
                fit(lane, effort.block_s)
            hold(list(lanes.values()), rounds, start, lambda _: time.sleep(SETTLE_S))
            for side in order:
                _finish(side, lives[side])
        finally:
            for live in lives.values():
                live.stop()
        times.append(_ratios(lanes["A"], lanes["B"], a.batch, b.batch))
        heard = lives["A"].heard, lives["B"].heard
        variants = (heard[0]["variant"], heard[1]["variant"])
        growths.append([_growth(heard[1]) / _growth(heard[0])] if all(map(_growth, heard)) else [])
    return Comparison(difference(times), difference(growths) if all(growths) else None, variants)


def _ready(side: str, live: Live) -> None:
    try:
        live.get_ready()
    except Lost:
        raise CannotCompare(f"{side} cannot run: {live.heard.get('reason')}") from None


def _finish(side: str, live: Live) -> None:
    try:
        live.finish()
    except Lost:
        raise CannotCompare(f"{side} did not end well: {live.heard.get('reason')}") from None


def _ratios(a: Lane, b: Lane, batch_a: int, batch_b: int) -> list[float]:
    """Seconds per sequence of B over A's, pair by pair."""

    def seconds(lane: Lane, number: int, batch: int) -> float:
        block = lane.blocks[number]
        return block.seconds / block.steps / batch

    both = sorted(a.blocks.keys() & b.blocks.keys())
    if not both:
        raise CannotCompare("a worker was lost before both sides had a turn")
    return [seconds(b, number, batch_b) / seconds(a, number, batch_a) for number in both]


def _growth(heard: dict[str, Any]) -> int:
    return max(0, (heard.get("host_peak_bytes") or 0) - (heard.get("host_init_bytes") or 0))


@dataclass(frozen=True)
class Accuracy:
    """The main score of whole runs, seed by seed: both sides had the same data and drew the same parameters.

    Attributes:
        a, b: means over the seeds; difference: of b less a, with its 95 % interval.
        better: which side the interval says has learned more.
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
        """For people."""
        told = "no difference can be told" if self.better == "neither" else f"{self.better} has learned more"
        return (
            f"accuracy: {told} ({self.score}: A {self.a:.4g}, B {self.b:.4g}; B less A {self.difference:.2g}, "
            f"95 % interval {self.low:.2g} to {self.high:.2g}, {self.seeds} seeds)"
        )


def accuracy(a: Sequence[Record], b: Sequence[Record]) -> Accuracy:
    """What finished runs of both sides, in the order of their seeds, amount to. Student's interval, paired by seed.

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


def by_seed(side: str, specs: Sequence[RunSpec]) -> list[RunSpec]:
    """The specs of a side, which may differ in their seed only. Raises UsageError where they differ otherwise."""
    if len({spec.model_copy(update={"seed": 0}).model_dump_json() for spec in specs}) != 1:
        raise UsageError(f"{side} names {len(specs)} runs; name one backend, task and cell")
    return list(specs)


def same_seeds(a: Sequence[RunSpec], b: Sequence[RunSpec]) -> None:
    """Raises UsageError where two sides cannot be paired seed by seed."""
    if [spec.seed for spec in a] != [spec.seed for spec in b]:
        raise UsageError("A and B need the same seeds: name them for both, as --seeds 5")
    if len(a) > 1 and (a[0].task, a[0].parameters) != (b[0].task, b[0].parameters):
        raise UsageError(f"accuracy can be compared on one task only; A is of {a[0].task}, B of {b[0].task}")
