"""Hold the contests of one call, keep the record after each, and print the tables at the end."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import backends
from harness.analysis.ratios import ratio
from harness.analysis.roofline import by_threads, roofs_of, with_shares
from harness.machine import software, system
from harness.machine.personal import impersonal
from harness.machine.topology import Choice
from harness.planning.contests import BackendOnDevice, PlannedContest
from harness.planning.contests import Contestant as PlannedContestant
from harness.presentation import screen
from harness.presentation.progress import line
from harness.processes import environment
from harness.processes.channel import TimedOut
from harness.processes.contestant import Contestant
from harness.processes.heard import Heard
from harness.processes.stopping import asked_to_stop, may_stop, terminated_as_interrupted
from harness.records.base import Status
from harness.records.figures import Block
from harness.records.speed import Contest, Figures, Limits, Row, SpeedRecord, Timed
from harness.records.store import Store
from harness.text import harmless
from harness.workflows.common import keep
from harness.workflows.contest import Contest as LiveContest
from harness.workflows.contest import Settings as Settings
from harness.workflows.contest import Tell
from harness.workflows.quiet import NotQuiet, Quiet


def measure(
    planned: Sequence[PlannedContest],
    settings: Settings,
    store: Store,
    out: Path,
    json_lines: bool,
    cpus: Sequence[int] | None = None,
    quiet: Quiet | None = None,
) -> bool:
    """Hold every contest, print the results and draw them into ``out``; True if all is ok and was kept.

    Args:
        cpus: those that the user named; None for all that this process may use.
        quiet: looks at what others compute before each contest; None for no look.
    """
    with terminated_as_interrupted():
        record, well = hold_all(planned, settings, store, Choice(cpus), quiet)
        try:
            with may_stop():
                return _presented(record, out, json_lines) and well
        except KeyboardInterrupt:  # the record is kept
            return False


def _presented(record: SpeedRecord, out: Path, json_lines: bool) -> bool:
    """Print and draw the results; False where they cannot be drawn."""
    # slow to import: not while anything is measured
    from harness.presentation import contest_figures, contest_table
    from harness.presentation.figure import save

    if json_lines:
        print(record.json_line())
    else:
        screen.show(contest_table.terminal(record), width=120)
    try:
        drawn = save(contest_figures.figures([record]), out)
    except OSError as error:
        print(f"harness: cannot write plots to {harmless(str(out), keep='')}: {error.strerror}", file=sys.stderr)
        return False
    if drawn and not json_lines:
        print(*(path for path in drawn if path.suffix == ".png"), sep="\n")
    return True


def hold_all(
    planned: Sequence[PlannedContest],
    settings: Settings,
    store: Store,
    cpus: Choice | None = None,
    quiet: Quiet | None = None,
) -> tuple[SpeedRecord, bool]:
    """Hold every contest on the same CPUs, one after the other.

    Args:
        quiet: looks at what others compute before each contest; None for no look. One that is refused has a row for
            each contestant that says so.

    Returns:
        Their record, and whether all were held, are ok and were kept.
    """
    cpus = cpus or Choice()
    stderr = screen.Screen(stderr=True)
    now = datetime.now(UTC).replace(microsecond=0)
    contests: list[Contest] = []
    variables: list[Mapping[str, str]] = []
    record, kept = None, True
    identity = f"{now:%Y%m%dT%H%M%SZ}-speed-{uuid.uuid4().hex[:8]}"
    with terminated_as_interrupted():
        for number, each in enumerate(planned, 1):
            before = None
            try:
                if quiet is not None:
                    threads = max(entry.spec.threads for entry in each.contestants)
                    with may_stop():
                        before = quiet.before(cpus, threads, fixed=bool(contests))
            except NotQuiet as error:
                before, refused = error.before, str(error)
                entries = [replace(entry, reason=entry.reason or refused) for entry in each.contestants]
                each = replace(each, contestants=entries)
            with line(stderr) as tell:
                held = hold(each, settings, partial(_with_position, tell, f"{number}/{len(planned)}"), cpus)
            contests.append(Contest(name=each.name, changed=each.changed, rows=held.rows(), before=before))
            variables += [contestant.channel.variables for contestant in held.contest.contestants.values()]
            record = _record(identity, now, contests, held, variables)
            kept = keep(record, store, stderr) and kept
            left = len(planned) - number
            if held.contest.how == "interrupted" or (left and asked_to_stop()):
                stderr.print(f"interrupted; {left} contests not started", highlight=False)
                kept = False
                break
    assert record is not None
    return record, kept and record.status == "ok"


def _with_position(tell: Tell, position: str, what: str) -> None:
    tell(f"{position}  {what}")


def hold(
    planned: PlannedContest, settings: Settings, tell: Tell, cpus: Choice | None = None, limits: bool = True
) -> HeldContest:
    """Hold one contest to its end, or until ``settings.timeout`` or Ctrl-C ends it; no worker is left.

    Args:
        limits: whether the machine's limits are read, too.
    """
    starts = {entry: partial(Contestant, entry.spec) for entry in planned.contestants if entry.reason is None}
    held = HeldContest(planned, LiveContest(starts, settings, limits=limits, cpus=cpus, tell=tell))
    with suppress(TimedOut, KeyboardInterrupt), held.contest as contest:
        contest.get_ready()
        contest.take_turns()
        held.gpu = gpu_of(planned.contestants)  # now: the clocks are still those of the work
        contest.finish()
    return held


@dataclass
class HeldContest:
    """A contest that was held, as the rows of a record.

    Attributes:
        gpu: what the GPU is, and its clocks right after the last round; None where that was not reached.
    """

    planned: PlannedContest
    contest: LiveContest[PlannedContestant]
    gpu: dict[str, str] | None = None

    def rows(self) -> list[Row]:
        """A row for each planned contestant."""
        taken_part = {
            (_place(entry), contestant.heard.decided and contestant.heard.decided.variant): contestant
            for entry, contestant in self.contest.contestants.items()
        }
        return [
            self._row(entry, taken_part.get((_place(entry), self.planned.references.get(_place(entry)))))
            for entry in self.planned.contestants
        ]

    def _row(self, entry: PlannedContestant, reference: Contestant | None) -> Row:
        if entry.reason is not None:
            return Row(spec=entry.spec, status="unavailable", reason=impersonal(entry.reason), variant=_named(entry))
        contestant = self.contest.contestants.get(entry)
        heard = contestant.heard if contestant else Heard()
        blocks = contestant.blocks if contestant else {}
        status, reason = self._ended(heard)
        row = Row(
            spec=entry.spec,
            status=status,
            reason=reason and impersonal(reason),
            added=entry.added,
            **{"variant": _named(entry), **heard.ran(), **heard.in_force()},
            versions=heard.decided.versions if heard.decided else {},
            ready=heard.ready,
            blocks=[Timed(round=number, steps=b.steps, seconds=b.seconds) for number, b in blocks.items()],
            **vars(heard.peaks),
            noise=heard.noise,
            limits=_pooled(heard.limits),
            log_tail=heard.log_tail if status in ("failed", "timeout") else None,
        )
        return row.model_copy(update={"figures": _figures(row, blocks, reference.blocks if reference else None)})

    def _ended(self, heard: Heard) -> tuple[Status, str | None]:
        if heard.status is not None:
            return heard.status, heard.reason
        if self.contest.how == "timeout":
            return "timeout", f"not finished after {self.contest.settings.timeout:g} s (--timeout)"
        return "interrupted", "stopped by the user"


def _named(entry: PlannedContestant) -> str | None:
    return None if entry.spec.variant == "auto" else entry.spec.variant


def gpu_of(entries: Sequence[PlannedContestant]) -> dict[str, str]:
    """What the GPU of a contest is, and its clocks now; empty where none takes part on one."""
    return system.gpu() if any(entry.spec.device == "cuda" for entry in entries) else {}


def _place(entry: PlannedContestant) -> BackendOnDevice:
    return BackendOnDevice(entry.spec.backend, entry.spec.device)


def _figures(row: Row, blocks: Mapping[int, Block], reference: Mapping[int, Block] | None) -> Figures | None:
    """The figures of a contestant's blocks; None if it failed, even after some blocks."""
    if row.ready is None or row.status in ("failed", "unavailable"):
        return None
    compared = ratio(reference, blocks) if reference is not None else None
    return Figures.of(blocks.values(), row.spec.batch, row.ready, compared)


def _pooled(readings: Sequence[Limits]) -> Limits | None:
    """The readings of several moments as one."""
    if not readings:
        return None
    return Limits(**{
        name: [value for reading in readings for value in getattr(reading, name)] for name in Limits.model_fields
    })  # fmt: skip


def _record(
    identity: str, now: datetime, contests: Sequence[Contest], held: HeldContest, variables: Sequence[Mapping[str, str]]
) -> SpeedRecord:
    """The record so far; shares are relative to the best rates that each device reached with as many threads.

    Args:
        held: the last of the contests.
        variables: of every worker so far.
    """
    roofs = {threads: roofs_of(found) for threads, found in by_threads(contests).items()}
    well = all(row.status == "ok" for contest in contests for row in contest.rows)
    status: Literal["ok", "failed", "interrupted"] = "ok" if well else "failed"
    settings = held.contest.settings
    workers = [contestant.channel for contestant in held.contest.contestants.values()]
    chosen = held.contest.cpus.of(held.planned.contestants[0].spec.threads) if workers else None
    where = environment.describe(_shared(variables), workers[0].strays if workers else {}, chosen)
    gpu = gpu_of(held.planned.contestants) if held.gpu is None else held.gpu
    return SpeedRecord(
        id=identity,
        created=now,
        status="interrupted" if held.contest.how == "interrupted" else status,
        rounds=settings.rounds,
        block_s=settings.block_s,
        starts=settings.starts,
        environment=where.model_copy(update={"gpu": gpu, "plugins": _plugins(contests)}),
        roofs=roofs_of(contests),
        contests=[
            contest.model_copy(
                update={
                    "rows": [with_shares(row, roofs[row.spec.threads].get(row.spec.device)) for row in contest.rows]
                }
            )
            for contest in contests
        ],
    )


def _plugins(contests: Sequence[Contest]) -> dict[str, str]:
    """Digests of the source of the backends that are third parties'; what could not be loaded, its rows say."""
    found = {}
    for name in sorted({row.spec.backend for contest in contests for row in contest.rows}):
        with suppress(Exception):
            if digest := software.plugin_source(backends.registry, name):
                found[f"backend {name}"] = digest
    return found


def _shared(variables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Environment variables with the same value in every worker; a few depend on the device."""
    if not variables:
        return {}
    first, *others = variables
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
