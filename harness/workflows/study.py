"""``harness study``: many runs, each done once, whatever stops this process in between."""

from __future__ import annotations

import platform
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from harness.errors import UsageError
from harness.machine.topology import Choice
from harness.planning.runs import named_cpus
from harness.planning.studies import Planned, runs_of
from harness.presentation.progress import Overall
from harness.presentation.screen import Screen, show
from harness.presentation.study import Label, finished_line, status_table
from harness.processes.leases import Lease, Leases, renewed
from harness.processes.slot import slot
from harness.processes.stopping import asked_to_stop, may_stop, terminated_as_interrupted
from harness.processes.supervise import Interrupted, OnProgress
from harness.records.done import Done, Finished
from harness.records.resume import shape_of
from harness.records.run import Engine, Place, Record
from harness.records.store import Store, StoreError, read_record
from harness.records.whole import write_whole
from harness.specs.study import MOST_RUNS, Study, read
from harness.specs.study_example import EXAMPLE
from harness.text import counted, duration
from harness.workflows.common import complain
from harness.workflows.run import OneRun, print_repeats, run_one
from harness.workflows.trying import STOPPED, Tries, fault_of, given_up, statuses

#: In the results folder, what a study keeps beside its records: they alone say what is done.
STATE: Final = ".study"
#: Seconds between two looks at runs that others hold.
LOOK_S: Final = 1.0


@dataclass
class Outcome:
    """How a call ended.

    Attributes:
        made: records that this call wrote.
        stopped: whether the user stopped it.
        elsewhere: runs that others still hold.
        full: whether records could not be written any more.
    """

    made: int = 0
    stopped: bool = False
    elsewhere: int = 0
    full: bool = False


@dataclass
class Work:
    """A study with all that is known of its runs: what is done, and who works on what.

    Attributes:
        study: the file; runs: all of its runs.
        retry: statuses of records that do not make a run done.
        engine: what brought this process here.
    """

    study: Study
    runs: Sequence[Planned]
    retry: Sequence[str] = ()
    engine: Engine = "local"
    done: Done = field(init=False)
    leases: Leases = field(init=False)
    label: Label = field(init=False)
    #: Records that this call wrote do not have to be made again, whatever ``retry`` says.
    _made: set[str] = field(default_factory=set)
    _shapes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.done = Done(self.study.results)
        self.leases = Leases(self.study.results / STATE / "leases")
        self.label = Label([*self.study.axes, *(name for each in self.study.zipped for name in each)])

    def claim_folder(self) -> None:
        """Make the results folder this study's.

        Raises:
            StoreError: it cannot be written to.
            UsageError: it is another study's.
        """
        Store(self.study.results).prepare()
        name = self.study.results / STATE / "name"
        try:
            name.parent.mkdir(exist_ok=True)
            if not name.exists():
                write_whole(name, f"{self.study.name}\n")
            found = name.read_text(errors="replace").strip()
        except OSError as error:
            raise StoreError(f"cannot write {name}: {error.strerror}") from None
        if found != self.study.name:
            raise UsageError(
                f"{self.study.results} has the records of study {found[:64]!r}, not of {self.study.name!r}; "
                f"give {self.study.path.name} another folder (results = …)"
            )

    def finished(self, planned: Planned) -> Finished | None:
        """The record that makes a run done; None where it is left to do."""
        return self.done.last(planned.key, () if planned.key in self._made else self.retry)

    def records(self) -> Iterator[Record]:
        """The records of the runs that are done, one after the other, in the order of the runs."""
        for planned in self.runs:
            if finished := self.finished(planned):
                yield read_record(finished.path)

    def left(self) -> list[Planned]:
        """The runs to do, in order."""
        return [planned for planned in self.runs if self.finished(planned) is None]

    def time_left(self) -> str:
        """How long the runs that are left take, by those of the same shape that are done; "unknown" without any."""
        if not self._shapes:
            self._shapes = {planned.key: shape_of(planned.spec) for planned in self.runs}
        seconds = {shape: statistics.median(each) for shape, each in self.done.seconds().items()}
        shapes = Counter(self._shapes[planned.key] for planned in self.left())
        known = sum(count * seconds[shape] for shape, count in shapes.items() if shape in seconds)
        others = sum(count for shape, count in shapes.items() if shape not in seconds)
        if not known:
            return "unknown" if others else "0 s"
        return f"about {duration(known)}" + (f", and {counted(others, 'run')} of unknown length" if others else "")

    def take(self, planned: Planned) -> Lease | None:
        """The lease of a run; None where it is another's, or was done meanwhile.

        Raises:
            OSError: the folder cannot be written to.
        """
        lease = self.leases.take(planned.key, self.label.of(planned.spec))
        if lease is None:
            return None
        self.done.refresh()  # between looking and taking, its record may have come
        if self.finished(planned) is not None:
            lease.finish()
            return None
        return lease

    def keep(self, record: Record, planned: Planned, lease: Lease, place: Place) -> Record | None:
        """Write the record of a run, with study, place and earlier tries, and end the lease; None if it was lost.

        Raises:
            StoreError: it could not be written.
        """
        if lease.lost:
            return None
        whole = record.model_copy(update={"study": self.study.mark, "place": place, "tries": lease.tries})
        path = Store(self.study.results).write(whole)
        self._made.add(planned.key)
        self.done.add(whole, path)
        with suppress(OSError):  # the record says it all
            lease.finish()
        return whole


class Told(Overall):
    """What is printed of a study while it goes on."""

    def __init__(self, work: Work, console: Screen) -> None:
        self._work = work
        left = len(work.left())
        super().__init__(len(work.runs), len(work.runs) - left, console, work.time_left())

    def record(self, record: Record) -> None:
        """Print the line of a record that was written just now."""
        self.time_left = self._work.time_left()
        self.finished(finished_line(self.done + 1, self.total, self._work.label.of(record.spec), record))

    def report(self, label: str) -> OnProgress:
        """What a worker's reports are shown by."""
        return lambda report: self.now(f"{label}, update {report['step']:,.0f}")


def local(work: Work, cpus: Sequence[int] | None = None, one: bool = False) -> Outcome:
    """Do what is left here, one run after the other; of runs that others hold, only those that they leave.

    Args:
        cpus: those that the user named; None for all that this process may use.
        one: end after one run.
    """
    stderr = Screen(stderr=True)
    outcome = Outcome()
    place = Place(engine=work.engine, node=platform.node())
    with terminated_as_interrupted(), Told(work, stderr).shown() as told:
        assert isinstance(told, Told)
        try:
            while True:
                held = []
                for planned in work.left():
                    if asked_to_stop():
                        raise KeyboardInterrupt
                    lease = _taken(work, planned)
                    record = None if lease is None else _made(work, planned, lease, cpus, place, told)
                    if record is None:
                        held.append(planned)
                        continue
                    outcome.made += 1
                    told.record(record)
                    if one:
                        return outcome
                work.done.refresh()
                held = [planned for planned in held if work.finished(planned) is None]
                outcome.elsewhere = len(held)
                if all(work.leases.is_sure(planned.key) for planned in held):
                    return outcome
                with may_stop():
                    time.sleep(LOOK_S)
        except KeyboardInterrupt:
            outcome.stopped = True
        except _Full as full:
            complain(full.error, stderr)
            outcome.full = True
    return outcome


class _Full(Exception):
    """Records cannot be written any more."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


def _taken(work: Work, planned: Planned) -> Lease | None:
    try:
        return work.take(planned)
    except OSError as error:
        raise _Full(StoreError(f"cannot write to {work.leases.folder}: {error.strerror}")) from None


def _made(
    work: Work, planned: Planned, lease: Lease, cpus: Sequence[int] | None, place: Place, told: Told
) -> Record | None:
    """Run what was taken until there is a record of it; None where another has taken it over meanwhile.

    Raises:
        KeyboardInterrupt: the user stopped it; the lease is given up.
        _Full: its record could not be written, often enough.
    """
    while True:
        tries = Tries(work.study.tries, lease.tries)
        try:
            if tries.exhausted:
                return work.keep(given_up(planned.spec, lease.tries, planned.version), planned, lease, place)
            record = _run(work, planned, lease, cpus, told)
            fault = fault_of(record)
            if fault is None:
                return work.keep(record, planned, lease, place)
        except KeyboardInterrupt:
            lease.give_up(STOPPED)
            raise
        except StoreError as error:
            fault = f"its record could not be written: {error}"[:900]
            tries.note(fault)
            if tries.exhausted:
                lease.give_up(fault)
                raise _Full(error) from None
        lease.give_up(fault)
        again = _taken(work, planned)
        if again is None:
            return None
        lease = again


def _run(work: Work, planned: Planned, lease: Lease, cpus: Sequence[int] | None, told: Told) -> Record:
    """Run it, alone on this machine.

    Raises:
        KeyboardInterrupt: the user stopped it. What was measured of it is not kept: it is run again as a whole.
    """
    spec, label = planned.spec, work.label.of(planned.spec)
    one = OneRun(spec, planned.version, work.study.timeout, Choice(cpus))
    try:
        with renewed(lease), slot(spec.device, on_wait=lambda: told.now("waits until this machine is free")):
            told.now(label)
            return run_one(one, "", Screen(file=StringIO()), told.report(label))[0]
    except Interrupted:
        raise KeyboardInterrupt from None


@contextmanager
def driving(work: Work) -> Iterator[bool]:
    """Whether this process is the only one on this machine that works through the study; held until the block ends."""
    lock = FileLock(work.study.results / STATE / f"{platform.node()}.lock")
    try:
        with lock.acquire(timeout=0):
            yield True
    except Timeout:
        yield False


def print_plan(work: Work, json_lines: bool = False) -> None:
    """Print every run, whether it is done, and how long the rest takes."""
    if json_lines:
        print("\n".join(planned.spec.json_line() for planned in work.runs))
        return
    wide, lines = len(str(len(work.runs))), []
    for number, planned in enumerate(work.runs, 1):
        finished = work.finished(planned)
        version = f" @{planned.version}" if planned.version else ""
        status = f"  {finished.status}" if finished else ""
        lines.append(f"{number:>{wide}}  {work.label.of(planned.spec)}{version}{status}")
    left = len(work.left())
    print("\n".join(lines))
    print(f"{counted(len(work.runs), 'run')}, {len(work.runs) - left:,} done, {left:,} left: {work.time_left()}")


def print_status(work: Work) -> None:
    """Print how far the study is: what is done, running, failed and left."""
    finished: Counter[str] = Counter(each.status for planned in work.runs if (each := work.finished(planned)))
    held = work.leases.held()
    running = [
        f"{work.label.of(planned.spec)} ({held[planned.key].node}, since {held[planned.key].since})"
        for planned in work.runs if planned.key in held and work.finished(planned) is None
    ]  # fmt: skip
    left = len(work.left()) - len(running)
    title = f"Study {work.study.name}: {counted(len(work.runs), 'run')}"
    show(status_table(title, finished, running, left, work.time_left() if left else ""), width=100)


def print_end(work: Work, outcome: Outcome) -> bool:
    """Print what the call came to; True if every run of the study is done and ok."""
    finished = [work.finished(planned) for planned in work.runs]
    ok = sum(each is not None and each.status == "ok" for each in finished)
    not_ok, left = sum(each is not None for each in finished) - ok, finished.count(None)
    words = [f"{ok:,} of {counted(len(finished), 'run')} ok"]
    words += [f"{not_ok:,} not ok"] * bool(not_ok) + [f"{left:,} left"] * bool(left)
    why = "stopped: the same command goes on" if outcome.stopped else ""
    if outcome.elsewhere:
        why = f"{counted(outcome.elsewhere, 'run')} with other processes, which go on by themselves"
    print("; ".join(filter(None, [", ".join(words), why, f"records in {work.study.results}"])))
    return ok == len(finished)


def work_on(file: Path, retry: str | None = None, limit: int = MOST_RUNS, engine: Engine = "local") -> Work:
    """The study in a file, planned, with what is done of it.

    Raises:
        UsageError: something in it cannot be right, or ``retry`` names no status.
    """
    found = read(file)
    again = statuses(retry)
    return Work(found, runs_of(found, limit), again, engine)


def run_study(work: Work, cpus: str | None = None, one: bool = False) -> bool:
    """Do what is left of a study, and print what came of it; True if all of its runs are done and ok.

    Args:
        cpus: of ``--cpus``.
        one: end after one run.

    Raises:
        UsageError: the results folder is another study's, or the CPUs are none.
        StoreError: it cannot be written to.
    """
    named = named_cpus(cpus)
    work.claim_folder()
    with driving(work) if not one else nullcontext(True) as alone:
        if not alone:
            print(f"another process on this machine works through {work.study.name}; how far it is:")
            print_status(work)
            return False
        outcome = local(work, named, one)
    return print_end(work, outcome)


def print_summary(work: Work) -> None:
    """Print what the study's records say, over repetitions."""
    print_repeats(list(work.records()))


def write_example(file: Path) -> Path:
    """Write the commented example, unless there is such a file.

    Raises:
        UsageError: there is, or it cannot be written.
    """
    if file.exists():
        raise UsageError(f"{file} exists; name another file")
    try:
        write_whole(file, EXAMPLE)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    return file
