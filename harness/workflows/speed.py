"""Hold the contests of one call, keep the record after each, and print the tables at the end."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from harness.analysis.ratios import ratio
from harness.analysis.roofline import roofs_of, with_shares
from harness.errors import Lost, UsageError
from harness.machine import system
from harness.planning.contests import BackendOnDevice, Contestant, PlannedContest
from harness.presentation import screen
from harness.presentation.progress import line
from harness.processes import environment
from harness.processes.channel import TimedOut
from harness.processes.live import Live, until
from harness.records.base import Status
from harness.records.speed import Contest, Figures, Limits, Ready, Row, SpeedRecord, Timed
from harness.records.store import Store
from harness.workflows.common import keep, terminated_as_interrupted
from harness.workflows.contest import Lane, fit, hold

#: Before each turn: thread pools spin for a while after their last work (OpenBLAS for some 20 ms).
SETTLE_S = 0.03
LONGEST_BLOCK_S = 60.0


@dataclass(frozen=True)
class Settings:
    """How contests are held. ``starts``: contestants that get ready at a time; ``ready_s``: how long one may take."""

    rounds: int = 20
    block_s: float = 0.25
    timeout: float | None = None
    starts: int = 1
    ready_s: float | None = None

    def __post_init__(self) -> None:
        """Raises UsageError where a contest cannot be held so."""
        if self.rounds < 1:
            raise UsageError(f"--rounds must be at least 1, not {self.rounds}")
        if not 0 < self.block_s <= LONGEST_BLOCK_S:
            raise UsageError(f"--block must be above 0 and at most {LONGEST_BLOCK_S:g} seconds, not {self.block_s:g}")
        if self.starts < 1:
            raise UsageError(f"--starts must be at least 1, not {self.starts}")


def measure(planned: Sequence[PlannedContest], settings: Settings, store: Store, out: Path, json_lines: bool) -> bool:
    """Hold every contest, print what came of them, and draw it into ``out``; True if all is well and kept."""
    record, well = hold_all(planned, settings, store)

    # slow to import: not while anything is measured
    from harness.presentation import contest_figures, contest_table
    from harness.presentation.figure import save

    if json_lines:
        print(record.model_dump_json())
    else:
        screen.show(contest_table.terminal(record), width=120)
    try:
        drawn = save(contest_figures.figures([record]), out)
    except OSError as error:
        print(f"harness: cannot write plots to {out}: {error.strerror}", file=sys.stderr)
        return False
    if drawn and not json_lines:
        print(*(path for path in drawn if path.suffix == ".png"), sep="\n")
    return well


def hold_all(planned: Sequence[PlannedContest], settings: Settings, store: Store) -> tuple[SpeedRecord, bool]:
    """Hold every contest, one after the other; their record, and whether all is well and kept."""
    stderr = Console(stderr=True)
    now = datetime.now(UTC).replace(microsecond=0)
    contests: list[Contest] = []
    record, kept = None, True
    identity = f"{now:%Y%m%dT%H%M%SZ}-speed-{uuid.uuid4().hex[:8]}"
    with terminated_as_interrupted():
        for number, bout in enumerate(planned, 1):
            with line(stderr) as tell:
                held = Held(bout, settings, partial(_told, tell, f"{number}/{len(planned)}"))
                held()
            contests.append(Contest(name=bout.name, changed=bout.changed, rows=held.rows()))
            record = _record(identity, now, settings, contests, held)
            kept = keep(record, store, stderr) and kept
            if held.how == "interrupted":
                stderr.print(f"interrupted; {len(planned) - number} contests not started", highlight=False)
                break
    assert record is not None
    return record, kept and record.status == "ok"


def _told(tell: Callable[[str], None], position: str, what: str) -> None:
    tell(f"{position}  {what}")


class Held:
    """One contest, from starting the workers to their rows. However it ends, no worker is left."""

    def __init__(self, bout: PlannedContest, settings: Settings, tell: Callable[[str], None]) -> None:
        self.bout, self.settings, self.tell = bout, settings, tell
        self.lives: dict[Contestant, Live] = {}
        self.lanes: dict[Contestant, Lane] = {}
        self.readings: dict[Contestant, list[Mapping[str, list[float]]]] = {}
        self.how: Status = "ok"
        self.round = -1
        self.gpu: dict[str, str] | None = None
        self.deadline = until(settings.timeout)

    def __call__(self) -> None:
        try:
            self._get_ready([entry for entry in self.bout.contestants if entry.reason is None])
            for entry, lane in self.lanes.items():
                self.tell(f"{_name(entry)}: how many updates fill a block")
                fit(lane, self.settings.block_s)
                if not lane.lost:
                    self._guarded(entry, self.lives[entry].steady)
            hold(list(self.lanes.values()), self.settings.rounds, 0, self._between)
            self.gpu = gpu_of(self.bout.contestants)  # now: the clocks are still those of the work
            self._limits()
            for entry in self._alive():
                self._guarded(entry, self.lives[entry].finish)
        except TimedOut:
            self.how = "timeout"
        except KeyboardInterrupt:
            self.how = "interrupted"
        finally:
            for live in self.lives.values():
                live.dismiss()  # all of them first: a process that holds a GPU takes its time
            for live in self.lives.values():
                live.stop()

    def _get_ready(self, entries: Sequence[Contestant]) -> None:
        """One after the other unless asked otherwise: what a framework's start costs is a figure too."""
        for place, entry in enumerate(entries):
            for next_one in entries[len(self.lives) : place + self.settings.starts]:
                live = self.lives[next_one] = Live(next_one.spec, self.deadline)
                self.lanes[next_one] = Lane(live)
                live.begin(self.settings.ready_s)
            self.tell(f"{_name(entry)}: starting")
            self._guarded(entry, self.lives[entry].get_ready)

    def _between(self, number: int) -> None:
        if number != self.round and number in (0, self.settings.rounds // 2):
            self._limits()
        if number != self.round:
            self.tell(f"round {number + 1} of {self.settings.rounds}")
        self.round = number
        time.sleep(SETTLE_S)

    def _alive(self) -> Iterable[Contestant]:
        return [entry for entry, lane in self.lanes.items() if not lane.lost]

    def _limits(self) -> None:
        """One contestant per backend and device: the others have the same libraries."""
        for entry in {_place(entry): entry for entry in reversed(list(self._alive()))}.values():
            self.tell(f"{_name(entry)}: the machine's limits")
            time.sleep(SETTLE_S)
            self._guarded(entry, partial(self._read, entry))

    def _read(self, entry: Contestant) -> None:
        if found := self.lives[entry].limits():
            self.readings.setdefault(entry, []).append(found)

    def _guarded(self, entry: Contestant, ask: Callable[[], None]) -> None:
        try:
            ask()
        except Lost:
            self.lanes[entry].lost = True

    def rows(self) -> list[Row]:
        """A row for each that was to take part."""
        steady = {(_place(entry), self.lives[entry].heard.get("variant")): lane for entry, lane in self.lanes.items()}
        found = []
        for entry in self.bout.contestants:
            reference = steady.get((_place(entry), self.bout.references.get(_place(entry))))
            found.append(self._row(entry, reference))
        return found

    def _row(self, entry: Contestant, reference: Lane | None) -> Row:
        if entry.reason is not None:
            return Row(spec=entry.spec, status="unavailable", reason=entry.reason, variant=_named(entry))
        live = self.lives.get(entry)
        heard = live.heard if live else {}
        status, reason = self._ended(heard)
        ready = {name: heard[name] for name in Ready.model_fields if name in heard}
        lane = self.lanes.get(entry)
        row = Row(
            spec=entry.spec,
            status=status,
            reason=reason,
            added=entry.added,
            variant=heard.get("variant") or _named(entry),
            ready=Ready(**ready) if ready else None,
            blocks=[
                Timed(round=number, steps=b.steps, seconds=b.seconds)
                for number, b in (lane.blocks.items() if lane else ())
            ],
            limits=_pooled(self.readings.get(entry, [])),
            log_tail=heard.get("log_tail") if status in ("failed", "timeout") else None,
            **{name: heard[name] for name in _AS_HEARD if name in heard},
        )
        return row.model_copy(update={"figures": _figures(row, lane, reference)})

    def _ended(self, heard: Mapping[str, Any]) -> tuple[Status, str | None]:
        if "end" in heard:
            return heard["end"], heard.get("reason")
        if self.how == "timeout":
            return "timeout", f"not finished after {self.settings.timeout:g} s (--timeout)"
        return "interrupted", "stopped by the user"


#: Fields of a row that the worker tells by the same name.
_AS_HEARD = (
    "tier", "variant_reason", "executed", "gate", "threads", "flushes_denormals", "affinity", "versions",
    "device_name", "host_peak_bytes", "device_peak_bytes", "compilations",
)  # fmt: skip


def _named(entry: Contestant) -> str | None:
    return None if entry.spec.variant == "auto" else entry.spec.variant


def gpu_of(entries: Sequence[Contestant]) -> dict[str, str]:
    """What the GPU of a contest is, and its clocks now; empty where none takes part on one."""
    return system.gpu() if any(entry.spec.device == "cuda" for entry in entries) else {}


def _name(entry: Contestant) -> str:
    return f"{entry.spec.backend} {entry.spec.variant} on {entry.spec.device}"


def _place(entry: Contestant) -> BackendOnDevice:
    return BackendOnDevice(entry.spec.backend, entry.spec.device)


def _figures(row: Row, lane: Lane | None, reference: Lane | None) -> Figures | None:
    """What the blocks amount to; none for a contestant that went wrong, whatever it did before."""
    if row.ready is None or lane is None or row.status in ("failed", "unavailable"):
        return None
    compared = ratio(reference.blocks, lane.blocks) if reference else None
    return Figures.of(lane.blocks.values(), row.spec.batch, row.ready, compared)


def _pooled(readings: Sequence[Mapping[str, list[float]]]) -> Limits | None:
    if not readings:
        return None
    return Limits(**{
        name: [value for reading in readings for value in reading[name]] for name in Limits.model_fields
    })  # fmt: skip


def _record(identity: str, now: datetime, settings: Settings, contests: Sequence[Contest], held: Held) -> SpeedRecord:
    """The record so far; shares are of what each device gave at its best in the call."""
    roofs = roofs_of(contests)
    well = all(row.status == "ok" for contest in contests for row in contest.rows)
    status: Literal["ok", "failed", "interrupted"] = "ok" if well else "failed"
    lives = list(held.lives.values())
    where = environment.describe(_shared([live.variables for live in lives]), lives[0].strays if lives else {})
    return SpeedRecord(
        id=identity,
        created=now,
        status="interrupted" if held.how == "interrupted" else status,
        rounds=settings.rounds,
        block_s=settings.block_s,
        starts=settings.starts,
        environment=where.model_copy(update={"gpu": gpu_of(held.bout.contestants) if held.gpu is None else held.gpu}),
        roofs=roofs,
        contests=[
            contest.model_copy(update={"rows": [with_shares(row, roofs.get(row.spec.device)) for row in contest.rows]})
            for contest in contests
        ],
    )


def _shared(variables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What every worker was given: the devices differ in a few."""
    if not variables:
        return {}
    first, *others = variables
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}
