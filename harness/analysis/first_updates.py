"""The verdict on a record from a run of its first updates: it can refute it, and confirms no more than it ran."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.analysis.causes import causes
from harness.analysis.verdict import (
    SHARE_OF_CURVE,
    Judgement,
    bits,
    changed_code,
    changed_model,
    digests_differ,
    tolerance,
    updates_of,
)
from harness.records.run import Mark, Record

#: Of speed and memory: a few updates are no measurement.
NOT_JUDGED = "not judged: only the first updates were made again"


def nearest(record: Record, updates: int) -> int | None:
    """The number of updates, nearest to ``updates``, after which the record says something that a second run can be
    held to; None where that is at its end.
    """
    end = updates_of(record)
    points = {point.step for point in record.curve} | {mark.step for mark in _marks(record)} | {end}
    found = min((step for step in points if 0 < step <= end), key=lambda step: (abs(step - updates), step))
    return None if found == end else found


def judge_first(record: Record, again: Record, asked: int, seeds: Sequence[Record] = ()) -> Judgement:
    """Compare the first updates of ``record`` with ``again``, a run of its spec that ended after them.

    Args:
        asked: the updates that were asked for; they may be others than ``nearest`` made of them.
        seeds: records of the same spec but for the seed.
    """
    if record.metrics is None or again.metrics is None:
        return Judgement("cannot run", again.reason or f"the run ended as {again.status}")
    step, whole = updates_of(again), updates_of(record)
    scope = f"the first {step:,} of {whole:,} updates"
    if step != asked:
        scope += f" (of the points at which the record can be compared, the nearest to {asked:,})"
    apart = _first_difference(record, again, step)
    if other := [*_other_data(record, again, step), *(changed_code(record, again) if apart else ())]:
        why = f"{scope}: {other[0]}; the figures of two tasks are not compared"
        return Judgement("other task", why, NOT_JUDGED, NOT_JUDGED, (*other, *causes(record, again)))
    also = changed_model(record, again)
    if not any(point.losses_sha256 for point in record.curve):
        also += "; this record has no digests of its losses, so that only what it evaluated was compared"
    if apart is None:
        why = f"{scope}: bit-identical; nothing is said of the others{also}"
        return Judgement("bit-identical so far", why, NOT_JUDGED, NOT_JUDGED)
    farthest = max(_distances(record, again, step, seeds), key=lambda each: each.share, default=None)
    if farthest is None:
        return Judgement("cannot run", f"{scope}: the record has nothing up to there that could be compared")
    why = f"{scope}: {farthest.words}; {apart}"
    if farthest.share <= 1:
        return Judgement("same so far", f"{why}; nothing is said of the others{also}", NOT_JUDGED, NOT_JUDGED)
    return Judgement("different", why, NOT_JUDGED, NOT_JUDGED, tuple(causes(record, again)))


def _marks(record: Record) -> Sequence[Mark]:
    return record.metrics.marks if record.metrics is not None else ()


def _first_difference(record: Record, again: Record, step: int) -> str | None:
    """Where the two first differ in any bit, up to an update; None where they do not."""
    points = {point.step: point for point in again.curve}
    marks = {mark.step: mark.losses_sha256 for mark in _marks(again)}
    differs = {point.step: point.step not in points or bits(point, points[point.step]) for point in record.curve}
    for mark in _marks(record):
        theirs = marks.get(mark.step, mark.losses_sha256)  # of a code that notes other ones
        differs[mark.step] = differs.get(mark.step, False) or theirs != mark.losses_sha256
    before = 0
    for at in sorted(differs):
        if at > step:
            break
        if differs[at]:
            return f"losses first differ between updates {before:,} and {at:,}" if at else "different at the start"
        before = at
    return None


def _other_data(record: Record, again: Record, step: int) -> list[str]:
    """That the data differs, as far as both digested the same part of it."""
    assert record.metrics is not None
    assert again.metrics is not None
    then = {mark.step: mark.data_sha256 for mark in _marks(record)}
    now = {mark.step: mark.data_sha256 for mark in _marks(again)}
    pairs: list[tuple[str | None, str | None]]
    pairs = [(then[at], now[at]) for at in sorted({*then} & {*now}) if at <= step]
    if record.metrics.data_set is not None:  # its digest is of all of it, however much was drawn
        pairs.append((record.metrics.data_sha256, again.metrics.data_sha256))
    return [digests_differ("data", then, now) for then, now in pairs if then and then != now][:1]


class _Distance(NamedTuple):
    """How far two runs are apart in one figure, how far they may be, and both in words."""

    apart: float
    allowed: float
    words: str

    @property
    def share(self) -> float:
        """Of what is allowed; above 1 it is too much."""
        return self.apart / self.allowed if self.allowed else math.inf if self.apart else 0.0


def _distances(record: Record, again: Record, step: int, seeds: Sequence[Record]) -> Iterator[_Distance]:
    """Between losses and the last scores that both have, up to an update."""
    assert record.metrics is not None
    points = {point.step: point for point in again.curve}
    marks = {mark.step: mark.train_loss for mark in _marks(again)}
    both = [point for point in record.curve if point.step <= step and point.step in points]
    losses = [(f"loss after {point.step:,}", point.loss, points[point.step].loss) for point in both]
    losses += [
        (f"mean training loss up to {mark.step:,}", mark.train_loss, marks[mark.step])
        for mark in _marks(record)
        if mark.step <= step and mark.step in marks
    ]
    every = [point.loss for point in record.curve]
    allowed = SHARE_OF_CURVE * (max(every) - min(every)) if every else 0.0
    for what, then, now in losses:
        may = f"{allowed:.2g} apart is allowed ({SHARE_OF_CURVE:.0%} of the curve's range)"
        yield _Distance(abs(then - now), allowed, f"{what} {now:.6g}, recorded {then:.6g}; {may}")
    name = record.metrics.main_score
    for point in [each for each in both if each.step][-1:]:
        then, now = point.scores.get(name, math.nan), points[point.step].scores.get(name, math.nan)
        if math.isnan(then) or math.isnan(now):
            continue
        allowed, whence = tolerance(record, seeds, point.step)
        may = f"{allowed:.2g} apart is allowed ({whence})"
        yield _Distance(abs(then - now), allowed, f"{name} after {point.step:,} {now:.4g}, recorded {then:.4g}; {may}")
