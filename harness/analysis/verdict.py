"""The verdict on a record, from a second run of its spec."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.analysis.causes import causes, short_digest
from harness.records.base import Environment
from harness.records.figures import mib
from harness.records.run import CurvePoint, Metrics, Record
from harness.records.verdict import Word

#: With fewer recorded seeds, their spread is no basis for a tolerance.
FEWEST_SEEDS = 3
#: In that case a score may differ by this share of what was learned, its distance from the baseline.
SHARE_OF_LEARNED = 0.05
#: The curve may differ, at the median of its points, by this share of its range.
SHARE_OF_CURVE = 0.10
#: Speeds and sizes that differ by less are "as recorded".
SPEED_TOLERANCE = 0.10


class Judgement(NamedTuple):
    """The verdict on a record, the reason for it, and remarks on speed and memory, which do not change it."""

    verdict: Word
    why: str
    speed: str = ""
    memory: str = ""
    causes: tuple[str, ...] = ()


def judge(record: Record, again: Record, seeds: Sequence[Record] = ()) -> Judgement:
    """Compare ``again``, a new run of ``record``'s spec, with ``record``.

    Args:
        seeds: records of the same spec but for the seed, whose spread gives the tolerance.
    """
    if record.metrics is None:
        return Judgement("cannot run", f"the record has no result to verify: its run was {record.status}")
    if again.metrics is None:
        return Judgement("cannot run", again.reason or f"the run ended as {again.status}")
    apart = first_difference(record, again)
    if other := tuple(other_task(record, again, apart is not None)):
        why = f"{other[0]}; the figures of two tasks are not compared"
        return Judgement("other task", why, causes=(*other, *causes(record, again)))
    speed, memory = _speed(record, again), _memory(record, again)
    if apart is None:
        return Judgement("bit-identical", f"same losses to the last bit{changed_model(record, again)}", speed, memory)
    allowed, whence = tolerance(record, seeds)
    score, scored = _score(record.metrics), _score(again.metrics)
    curve, curve_allowed = curve_distance(record.curve, again.curve), SHARE_OF_CURVE
    found = f"{record.metrics.main_score} {scored:.4g}, recorded {score:.4g}; {allowed:.2g} apart is allowed ({whence})"
    if abs(scored - score) <= allowed and curve <= curve_allowed:
        return Judgement("same result", f"{found}; {apart}{changed_model(record, again)}", speed, memory)
    if abs(scored - score) <= allowed:
        found = f"the curves are {curve:.0%} of their range apart at the median, {curve_allowed:.0%} is allowed"
    return Judgement("different", f"{found}; {apart}", speed, memory, tuple(causes(record, again)))


def updates_of(record: Record) -> int:
    """The updates that a run made: all of its spec's, or those after which it ended for want of patience."""
    stopped = record.metrics.stopped_at if record.metrics is not None else None
    return stopped or record.spec.steps


def other_task(record: Record, again: Record, apart: bool) -> Iterator[str]:
    """What makes the task of ``again`` another one than the record's: its data or, of a third party's, its code.

    What a record does not say makes no difference. Of this project's own tasks the data alone decides: their source
    changes with every version, and is a cause among others.

    Args:
        apart: whether the results differ in any bit. Where none does, changed code has computed the same.
    """
    assert record.metrics is not None
    assert again.metrics is not None
    then, now = record.metrics.data_sha256, again.metrics.data_sha256
    if then and then != now:
        yield digests_differ("data", then, now)
    if apart:
        yield from changed_code(record, again)


def changed_code(record: Record, again: Record) -> Iterator[str]:
    """That the code of a third party's task is another one, where it is."""
    then, now = _plugins("task", record, again)
    if then and then != now:
        yield digests_differ("task's code", then, now)


def digests_differ(what: str, then: str | None, now: str | None) -> str:
    """The sentence for it."""
    return f"the {what} differs (SHA-256 {short_digest(now)}, recorded {short_digest(then)})"


def changed_model(record: Record, again: Record) -> str:
    """To go on with: that the file of a user's own model is another one by now; nothing where it is not."""
    then, now = record.spec.model.sha256, again.spec.model.sha256
    digests = f"SHA-256 {short_digest(now)}, recorded {short_digest(then)}"
    return "" if then == now else f"; the model's source has changed ({digests})"


def _plugins(what: str, record: Record, again: Record) -> tuple[str | None, str | None]:
    return record.environment.plugins.get(what), again.environment.plugins.get(what)


def _score(metrics: Metrics) -> float:
    return metrics.score[metrics.main_score]


def first_difference(record: Record, again: Record) -> str | None:
    """Where two runs of one spec first differ in any bit of their results; None where they do not."""
    before = 0
    for ours, theirs in zip(record.curve, again.curve, strict=False):
        if bits(ours, theirs):
            return f"losses first differ between updates {before:,} and {ours.step:,}" if ours.step else "at the start"
        before = ours.step
    if len(record.curve) != len(again.curve):
        return f"{len(again.curve)} points of the curve, recorded {len(record.curve)}"
    a, b = record.metrics, again.metrics
    if a is not None and b is not None and (a.final_loss, a.score) != (b.final_loss, b.score):
        return "the curves are equal to the last bit, the test scores are not"
    return None


def bits(a: CurvePoint, b: CurvePoint) -> bool:
    """Whether two points differ. A record of schema 1 has only the mean of its losses, no digest of them."""
    digests = a.losses_sha256 and b.losses_sha256 and a.losses_sha256 != b.losses_sha256
    return bool(digests) or (a.step, a.loss, a.train_loss, a.scores) != (b.step, b.loss, b.train_loss, b.scores)


def tolerance(record: Record, seeds: Sequence[Record], step: int | None = None) -> tuple[float, str]:
    """By how much the main score of a second run may differ, and what that follows from.

    Args:
        step: the score is that of the evaluation after so many updates; None for the score reported.

    With the scores of enough seeds: the half width of the 95 % prediction interval of one more run,
    t · s · √(1 + 1/n). With fewer seeds: a share of what was learned.
    """
    assert record.metrics is not None
    name = record.metrics.main_score
    scores = [score for each in seeds if (score := _score_at(each, name, step)) is not None]
    if len(scores) >= FEWEST_SEEDS:
        from scipy.stats import t

        n = len(scores)
        half = float(t.ppf(0.975, n - 1)) * statistics.stdev(scores) * math.sqrt(1 + 1 / n)
        return half, f"the spread of {n} seeds"
    learned = abs(record.metrics.baseline.get(name, 0.0) - _score(record.metrics))
    return SHARE_OF_LEARNED * learned, f"{SHARE_OF_LEARNED:.0%} of what was learned: fewer than {FEWEST_SEEDS} seeds"


def _score_at(record: Record, name: str, step: int | None) -> float | None:
    """A score that is reported, or of an evaluation; None where there is none."""
    if record.metrics is None or step is None:
        return record.metrics.score.get(name) if record.metrics is not None else None
    return next((point.scores.get(name) for point in record.curve if point.step == step), None)


def curve_distance(a: Sequence[CurvePoint], b: Sequence[CurvePoint]) -> float:
    """The median distance of two curves' validation losses, as a share of the first one's range."""
    losses = [point.loss for point in a]
    other = {point.step: point.loss for point in b}
    span = max(losses) - min(losses) if losses else 0.0
    apart = [abs(point.loss - other[point.step]) for point in a if point.step in other]
    if not apart:
        return math.inf
    return statistics.median(apart) / span if span else math.inf if max(apart) else 0.0


def kind_of(environment: Environment) -> dict[str, str | int | None]:
    """What two machines must share for speed and memory on them to be comparable, by name."""
    return {
        "processor": environment.cpu, "logical CPUs": environment.logical_cpus, "GPU": environment.device_name,
    }  # fmt: skip


def same_kind(a: Environment, b: Environment) -> str | None:
    """Why speed and memory on these two machines are not comparable; None where they are."""
    kinds = zip(kind_of(a).items(), kind_of(b).values(), strict=True)
    return next((f"another {what}: {now}, recorded {then}" for (what, then), now in kinds if then != now), None)


def _speed(record: Record, again: Record) -> str:
    assert record.metrics is not None
    assert again.metrics is not None
    if why := same_kind(record.environment, again.environment):
        return f"not judged: {why}"
    then, now = record.metrics.step_ms, again.metrics.step_ms
    if then is None or now is None or not now.median:
        return "not judged: too few blocks"
    ratio = then.median / now.median
    overlap = then.p10 <= now.p90 and now.p10 <= then.p90
    if abs(ratio - 1) <= SPEED_TOLERANCE:
        return f"as recorded ({ratio:.2f}×)"
    if overlap:
        return f"no difference can be told ({ratio:.2f}×, the blocks overlap)"
    return f"{'faster' if ratio > 1 else 'slower'} than recorded ({ratio:.2f}×)"


def _memory(record: Record, again: Record) -> str:
    if why := same_kind(record.environment, again.environment):
        return f"not judged: {why}"
    assert record.metrics is not None
    assert again.metrics is not None
    then, now = mib(record.metrics.host_growth_bytes), mib(again.metrics.host_growth_bytes)
    if then is None or now is None:
        return "not judged: not measured"
    # below a few MiB the kernel's pages and an allocator's slack are what differs
    if abs(now - then) <= max(4.0, SPEED_TOLERANCE * then):
        return f"as recorded ({now:.1f} MiB, recorded {then:.1f})"
    return f"{'more' if now > then else 'less'} than recorded ({now:.1f} MiB, recorded {then:.1f})"
