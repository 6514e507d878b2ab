"""What is checked of what was measured: figures, noise, copies, and what is missing of a study."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import tasks
from harness.analysis.disturbance import contestant_flags, flags
from harness.records import figures as measured
from harness.records.base import Spread
from harness.records.run import Record
from harness.text import counted
from harness.workflows.quiet import LOUD
from harness.workflows.submission.findings import Findings, refused, stated
from harness.workflows.submission.given import Handed, Submission
from harness.workflows.submission.studies import missing_runs

#: How far figures may be from what follows from the blocks: what rounding does.
_ROUNDING: Final = 1e-6


def figures(of: Submission) -> Findings:
    """Rates follow from the timed blocks, times add up, `solved` follows from the scores."""
    for each, record in of.runs:
        for what in _contradictions(record):
            yield refused(each, f"{what}; hand in what was measured")
    for each, speed in of.contests:
        for row in (row for contest in speed.contests for row in contest.rows):
            if row.figures and not _alike(row.figures.step_ms, measured.step_ms(row.blocks)):
                yield refused(each, f"{row.name}: its time per update does not follow from its blocks; hand in what "
                               "was measured")  # fmt: skip


def _contradictions(record: Record) -> Iterator[str]:
    metrics, spec = record.metrics, record.spec
    if metrics is None:
        return
    if record.status != "ok":
        yield f"it has figures and is {record.status}"
    follows: tuple[tuple[str, Spread | None, Sequence[measured.Block] | None, Callable[..., Spread | None]], ...] = (
        ("time per update", metrics.step_ms, metrics.train_blocks, measured.step_ms),
        ("training rate", metrics.train_sequences_per_second, metrics.train_blocks,
         lambda blocks: measured.rates(blocks, spec.batch)),
        ("prediction rate", metrics.predict_sequences_per_second, metrics.predict_blocks,
         lambda blocks: measured.rates(blocks, 1)),
    )  # fmt: skip
    for name, figure, blocks, rule in follows:
        if blocks is not None and not _alike(figure, rule(blocks)):
            yield f"its {name} does not follow from its blocks"
    slack = 1 + _ROUNDING
    blocks_s = sum(block.seconds for block in metrics.train_blocks or ())
    if blocks_s > metrics.train_s * slack:
        yield f"its blocks took {blocks_s:.3g} s, more than all training, {metrics.train_s:.3g} s"
    if metrics.train_s > metrics.wall_s * slack:
        yield f"training took {metrics.train_s:.3g} s, more than the whole run, {metrics.wall_s:.3g} s"
    if sum(block.steps for block in metrics.train_blocks or ()) > spec.steps:
        yield f"its blocks have more updates than the {spec.steps:,} that were asked for"
    steps = [point.step for point in record.curve]
    if any(b <= a for a, b in pairwise(steps)) or max([*steps, metrics.score_step]) > spec.steps:
        yield "the updates of its curve are in no order, or beyond the last one"
    if any(b.seconds < a.seconds for a, b in pairwise(record.curve)):
        yield "the seconds of its curve run backwards"
    if metrics.stopped_at is None and spec.patience is None and steps and steps[-1] != spec.steps:
        yield f"its curve ends after {steps[-1]:,} of {spec.steps:,} updates"
    try:
        solved = tasks.load(spec.task, spec.parameters, spec.seed).solved(metrics.score)
    except Exception:  # of a task that is not here, or of data; a third party's may raise anything
        return
    if solved != metrics.solved:
        yield f"its scores {'solve' if solved else 'do not solve'} the task, and it says otherwise"


def _alike(stated: Spread | None, found: Spread | None) -> bool:
    if stated is None or found is None:
        return stated is None and found is None
    pairs = zip(vars(stated).values(), vars(found).values(), strict=True)
    return all(math.isclose(a, b, rel_tol=_ROUNDING) for a, b in pairs)


def noise(of: Submission) -> Findings:
    """What disturbed a measurement is said."""
    found: dict[str, list[Handed]] = defaultdict(list)
    for each, record in of.runs:
        loud = record.before is not None and (record.before.share or 0) > LOUD
        for flag in [*flags(record.noise), *["others were busy before it began"] * loud]:
            found[flag].append(each)
    for each, speed in of.contests:
        rows = (row for contest in speed.contests for row in contest.rows)
        for flag in sorted({flag for row in rows for flag in contestant_flags(row)}):
            found[flag].append(each)
    for flag, records in found.items():
        yield stated(None, f"{flag}: {counted(len(records), 'record')}, such as {records[0].name}")


def seeds(of: Submission) -> Findings:
    """No run is another's copy, or has its losses under another seed; what ran twice is said."""
    again = Counter((record.spec.digest, record.framework_version) for _, record in of.runs if record.metrics)
    twice = {key: count for key, count in again.items() if count > 1}
    for each, record in of.runs if twice else ():
        if count := twice.get((record.spec.digest, record.framework_version), 0) if record.metrics else 0:
            others = f"; so were {counted(len(twice) - 1, 'other')}" if len(twice) > 1 else ""
            yield stated(each, f"its spec was run {count} times here, seed {record.spec.seed} included: its mean "
                          f"counts that seed as often{others}")  # fmt: skip
            break
    yield from _copies(of, "losses", _losses, "of one seed only; a record's seed may not be changed")
    yield from _copies(of, "seconds of every block", _blocks, "one is a copy of the other")


def _copies(of: Submission, name: str, key: Callable[[Record], Hashable], why: str) -> Findings:
    """Records that have in common what two runs cannot."""
    seen: dict[Hashable, Handed] = {}
    for each, record in of.runs:
        if (found := key(record)) is None:
            continue
        first = seen.setdefault((name, found), each)
        other = first.record
        if first is each or not isinstance(other, Record):
            continue
        if name != "losses" or other.spec.seed != record.spec.seed:
            yield refused(each, f"it has the {name} of {first.name}, {why}")


def _losses(record: Record) -> Hashable:
    """What no two seeds share; None of a run that learned nothing worth comparing."""
    losses = tuple(point.train_loss for point in record.curve if point.train_loss is not None)
    return (record.spec.task, losses) if len(losses) > 1 else None


def _blocks(record: Record) -> Hashable:
    blocks = record.metrics.train_blocks if record.metrics else None
    return tuple(block.seconds for block in blocks) if blocks and len(blocks) > 2 else None


def statuses(of: Submission) -> Findings:
    """Of a study every run is there, whatever became of it."""
    for study, what in missing_runs(of):
        yield refused(None, f"study {study}: {what}")
    not_ok = Counter(record.status for _, record in of.runs if record.status != "ok")
    for status, count in not_ok.items():
        yield stated(None, f"{counted(count, 'run')} {status}, as published")
