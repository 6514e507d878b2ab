"""Recorded runs before and after a change: whether time, memory or score got worse by more than is tolerated."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.analysis.difference import welch
from harness.analysis.disturbance import flags
from harness.analysis.groups import present_spec, seedless
from harness.analysis.verdict import same_kind
from harness.analysis.verdict import tolerance as score_tolerance
from harness.errors import UsageError
from harness.records.base import Spread
from harness.records.figures import MIB, mib
from harness.records.naming import run_name
from harness.records.run import Record
from harness.specs.run import flat
from harness.text import printable, score_text

#: Below this many bytes the kernel's pages and an allocator's slack are what differs.
SLACK_BYTES = 4 * MIB
#: The exponential of more is no longer a finite number.
LARGEST_LOG = 700.0
State = Literal["worse", "better", "same", "not judged"]


@dataclass(frozen=True)
class Change:
    """One quantity, before and after.

    Attributes:
        state: whether it changed by more than is tolerated, and in which direction.
        text: how much, for people.
        ratio: after over before (of times and sizes), else None; low, high: the ends of its interval.
    """

    state: State
    text: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """All runs of one spec on each side; ``noisy`` of them, in all, were disturbed."""

    name: str
    before: int
    after: int
    time: Change
    memory: Change
    score: Change
    noisy: int = 0

    @property
    def changes(self) -> tuple[Change, Change, Change]:
        """Time, memory and score."""
        return self.time, self.memory, self.score

    @property
    def worse(self) -> bool:
        """Whether any of them got worse."""
        return any(change.state == "worse" for change in self.changes)


@dataclass(frozen=True)
class Regressions:
    """Every spec that both sides have, and what only one has."""

    rows: list[Row]
    only_before: list[str]
    only_after: list[str]

    @property
    def worse(self) -> bool:
        """Whether any spec got worse in anything."""
        return any(row.worse for row in self.rows)


def check_tolerance(tolerance: float) -> float:
    """``tolerance``, if it can be one. Raises UsageError."""
    if not 0 <= tolerance < 10:
        raise UsageError(f"--tolerance is a share, such as 0.05 for 5 %, not {tolerance:g}")
    return tolerance


def against(before: Sequence[Record], after: Sequence[Record], tolerance: float) -> Regressions:
    """Compare each spec's runs in ``after`` with those in ``before``; seeds are repetitions.

    Args:
        tolerance: share by which time or memory may grow, and of what was learned by which the score may fall.

    Raises:
        UsageError: the two have no spec in common.
    """
    check_tolerance(tolerance)
    old, new = _by_spec(before), _by_spec(after)
    common = [key for key in old if key in new]
    if not common:
        raise UsageError("the two have no spec in common: only runs of the same spec, seed aside, can be compared")
    return Regressions(
        [row(old[key], new[key], tolerance) for key in common],
        [run_name(old[key][0]) for key in old if key not in new],
        [run_name(new[key][0]) for key in new if key not in old],
    )


def pair(a: Record, b: Record, tolerance: float = 0.0) -> tuple[Row, list[str]]:
    """Two records, A as before and B as after, and where their specs differ.

    Raises:
        UsageError: of different tasks or data, or one has no result.
    """
    check_tolerance(tolerance)
    for side, record in (("A", a), ("B", b)):
        if record.metrics is None:
            raise UsageError(f"{side} has no result to compare: its run was {record.status}")
    if (a.spec.task, a.spec.parameters) != (b.spec.task, b.spec.parameters):
        raise UsageError(f"only runs of one task can be compared; A is of {task_words(a)}, B of {task_words(b)}")
    if other := _other_data([a], [b]):
        raise UsageError(f"{other}: only runs of one task can be compared")
    ours, theirs = flat(present_spec(a)), flat(present_spec(b))
    return row([a], [b], tolerance), [
        f"{name}: {ours[name]}, {theirs[name]}" for name in ours if ours[name] != theirs[name]
    ]


def task_words(record: Record) -> str:
    """A task and its parameters: only runs of one are compared."""
    parameters = ", ".join(f"{name}={value}" for name, value in record.spec.parameters.items())
    return printable(f"{record.spec.task} ({parameters})")


def _by_spec(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(seedless(record), []).append(record)
    return found


def row(before: Sequence[Record], after: Sequence[Record], tolerance: float) -> Row:
    """All runs of one spec on each side, quantity by quantity."""
    then, now = [[r for r in side if r.metrics is not None] for side in (before, after)]
    name, noisy = run_name(before[0]), sum(bool(flags(record.noise)) for record in (*before, *after))
    if before[0].current_variant != after[-1].current_variant:
        name += f" → {after[-1].current_variant}"  # what ``auto`` stood for has changed
    if not then or not now:
        # what ran before and does not now is worse by any measure
        state: State = "worse" if then else "not judged"
        why = (after if then else before)[-1]
        text = f"{'after' if then else 'before'}: {why.status}{f' ({why.reason})' if why.reason else ''}"
        gone = Change(state, text)
        return Row(name, len(then), len(now), gone, gone, gone, noisy)
    if text := _other_data(then, now):
        other = Change("not judged", text)
        return Row(name, len(then), len(now), other, other, other, noisy)
    return Row(
        name, len(then), len(now), _time(then, now, tolerance), _memory(then, now, tolerance),
        _score(then, now, tolerance), noisy,
    )  # fmt: skip


def _other_data(then: Sequence[Record], now: Sequence[Record]) -> str:
    """That runs which draw the same batches have learned from different data; nothing where none have.

    The digest is of the batches, unless the task states its own: only runs of one seed, batch, precision and number of
    updates can tell.
    """

    def digests(records: Sequence[Record]) -> dict[Any, str]:
        return {
            (spec.seed, spec.batch, spec.steps, spec.precision): record.metrics.data_sha256
            for record in records
            for spec in [record.spec]
            if record.metrics and record.metrics.data_sha256
        }

    before, after = digests(then), digests(now)
    for key in before:
        if key in after and before[key] != after[key]:
            return f"the data differs (SHA-256 {after[key][:12]}…, before {before[key][:12]}…)"
    return ""


def _machines(then: Sequence[Record], now: Sequence[Record]) -> Change | None:
    for record in now:
        if why := same_kind(then[0].environment, record.environment):
            return Change("not judged", why)
    return None


def _time(then: Sequence[Record], now: Sequence[Record], tolerance: float) -> Change:
    """Seconds per sequence. Of several runs: Welch's interval of their medians. Of one: the range of its blocks."""
    if other := _machines(then, now):
        return other
    old, new = ([_rate(record) for record in side] for side in (then, now))
    if any(rate is None for rate in (*old, *new)):
        return Change("not judged", "too few blocks")
    slow, fast = [r for r in old if r], [r for r in new if r]
    if min(len(slow), len(fast)) >= 2:
        ratio, low, high = _welch([1 / r.median for r in slow], [1 / r.median for r in fast])
        return _grown(ratio, low, high, tolerance, "95 % interval")
    ratio = statistics.median(r.median for r in slow) / statistics.median(r.median for r in fast)
    low = min(r.p10 for r in slow) / max(r.p90 for r in fast)
    high = max(r.p90 for r in slow) / min(r.p10 for r in fast)
    return _grown(ratio, low, high, tolerance, "range of blocks")


def _rate(record: Record) -> Spread | None:
    assert record.metrics is not None
    return record.metrics.train_sequences_per_second


def _memory(then: Sequence[Record], now: Sequence[Record], tolerance: float) -> Change:
    """Growth beyond initialisation, on the host."""
    if other := _machines(then, now):
        return other
    old, new = ([grown for record in side if (grown := _growth_mib(record)) is not None] for side in (then, now))
    if (len(old), len(new)) != (len(then), len(now)):
        return Change("not judged", "not measured")
    a, b = statistics.median(old), statistics.median(new)
    if abs(a - b) * MIB <= SLACK_BYTES or not a or not b:
        return Change("same", f"{b:.1f} MiB, before {a:.1f}")
    if min(len(old), len(new)) >= 2 and min(*old, *new) > 0:
        ratio, low, high = _welch(old, new)
        return _grown(ratio, low, high, tolerance, "95 % interval")
    # a process of the same spec can grow by a third more or less: one run has no spread to be judged by
    return Change("not judged", f"{b:.1f} MiB, before {a:.1f}: too few runs")


def _growth_mib(record: Record) -> float | None:
    assert record.metrics is not None
    return mib(record.metrics.host_growth_bytes)


def _grown(ratio: float, low: float, high: float, tolerance: float, what: str) -> Change:
    state: State = "worse" if low > 1 + tolerance else "better" if high < 1 / (1 + tolerance) else "same"
    return Change(state, f"{ratio:.3g}× ({what} {low:.3g}–{high:.3g})", ratio, low, high)


def _welch(old: Sequence[float], new: Sequence[float]) -> tuple[float, float, float]:
    """The ratio of the geometric means, new over old, with Welch's 95 % interval over logarithms."""
    a, b = ([math.log(value) for value in side] for side in (old, new))
    mean, low, high = welch(a, b)
    # two runs may lie so far apart that no float holds the interval's end
    return math.exp(mean), math.exp(low), math.exp(min(high, LARGEST_LOG))


def _score(then: Sequence[Record], now: Sequence[Record], tolerance: float) -> Change:
    """The main score. Of several runs: Welch's interval of the means. Of one: as verify judges."""
    measured = then[0].metrics
    assert measured is not None
    name, sign = measured.main_score, 1 if measured.higher_is_better else -1
    old, new = ([r.metrics.score[name] for r in side if r.metrics and name in r.metrics.score] for side in (then, now))
    if not new:
        return Change("not judged", f"after: no score is called {name}")
    a, b = statistics.fmean(old), statistics.fmean(new)
    text = f"{name} {score_text(b)}, before {score_text(a)}"
    lost = _solved(then) == len(then) and not _solved(now)
    if lost:
        return Change("worse", f"{text}: no longer solved")
    learned = abs(a - measured.baseline.get(name, 0.0))
    if min(len(old), len(new)) >= 2:
        _, low, high = welch(old, new)
        low, high = sorted((sign * low, sign * high))
        allowed = tolerance * learned
    else:
        low = high = sign * (b - a)
        allowed = max(tolerance * learned, score_tolerance(then[0], then)[0])
    state: State = "worse" if high < -allowed else "better" if low > allowed else "same"
    return Change(state, text)


def _solved(records: Sequence[Record]) -> int:
    return sum(record.metrics.solved for record in records if record.metrics)


def closing(found: Regressions) -> list[str]:
    """What is missing on either side, and the counts."""
    lines = [f"only before: {printable(name)}" for name in found.only_before]
    lines += [f"only after: {printable(name)}" for name in found.only_after]
    worse = sum(each.worse for each in found.rows)
    better = sum(any(c.state == "better" for c in each.changes) and not each.worse for each in found.rows)
    return [*lines, f"{len(found.rows)} specs compared, unpaired: {worse} worse, {better} better"]


def sentences(a: Record, b: Record, found: Row, differ: Sequence[str]) -> list[str]:
    """The comparison of two records in sentences: where the specs differ, and each quantity."""
    lines = [f"A: {printable(a.id)}", f"B: {printable(b.id)}"]
    lines += [f"specs differ in {printable(each)}" for each in differ]
    for side, record in (("A", a), ("B", b)):
        lines += [f"{side} was disturbed: {' '.join(noise)}"] if (noise := flags(record.noise)) else []
    lines += [
        f"score: {found.score.text.replace(', before', ' in B, in A')}",
        f"memory of B over A: {found.memory.text}",
    ]
    time = found.time
    if time.ratio is None or time.low is None or time.high is None:
        return [*lines, f"time: not judged: {time.text}"]
    if time.low > 1 or time.high < 1:
        ahead, behind, times = ("A", "B", time.ratio) if time.low > 1 else ("B", "A", 1 / time.ratio)
        verdict = f"{ahead} was {times:.3g}× faster than {behind}"
    else:
        verdict = "no difference can be told"
    return [
        *lines,
        f"{verdict} (B's time over A's: {time.text}; unpaired: one process each, run at different times)",
    ]
