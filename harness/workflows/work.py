"""A study at work: what is done of it, who works on what, and how a record becomes one of its own."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from harness.errors import UsageError
from harness.machine.software import SOURCE
from harness.planning.studies import Planned
from harness.presentation.folders import facts
from harness.presentation.progress import Overall
from harness.presentation.screen import Screen
from harness.presentation.study import Label, finished_line
from harness.processes.leases import Lease, Leases
from harness.processes.supervise import OnProgress
from harness.records.packs import ENDING
from harness.records.resume import NEVER_DONE, shape_of
from harness.records.run import Engine, Place, Record
from harness.records.store import Store, StoreError, read_record
from harness.records.whole import write_whole
from harness.specs.study import Study, flat
from harness.text import counted, duration
from harness.workflows.done import Done, Finished

#: In the results folder, what a study keeps beside its records: they alone say what is done.
STATE: Final = ".study"
#: Records after which the index learns of them: some tenths of a second, between two runs.
INDEX_EVERY: Final = 200


@cache
def _published_seconds() -> dict[str, float]:
    """By shape, what published runs took in the median; nothing where this is no checkout."""
    place = SOURCE / "results" / "published"
    rows = facts([place], ("shape", "took_s"))[0] if place.is_dir() else ()
    found: dict[str, list[float]] = {}
    for row in rows:
        if isinstance(row["took_s"], float):
            found.setdefault(str(row["shape"]), []).append(row["took_s"])
    return {shape: statistics.median(each) for shape, each in found.items()}


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
    _shapes: dict[str, str] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self) -> None:
        self.done = Done(self.study.results)
        self.leases = Leases(self.study.results / STATE / "leases")
        self.label = Label(name for axes in (self.study.axes, *self.study.zipped) for name, _ in flat(axes))

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
        return self.done.last((planned.key, planned.anywhere), self.retry)

    def records(self) -> Iterator[tuple[Record, bool]]:
        """The records of the study one after the other, in the order of its runs: of each the one that makes it done;
        else the newest in the folder or in the study's pack, beside its file, and False: it is of another kind of
        machine, or of another version of the code.
        """
        pack = self.study.path.with_name(f"{self.study.name}{ENDING}")
        rows, _ = facts([place for place in (self.study.results, pack) if place.exists()], ("spec_digest", "status"))
        newest = {row["spec_digest"]: Path(str(row["path"])) for row in rows if row["status"] not in NEVER_DONE}
        for planned in self.runs:
            finished = self.finished(planned)
            path = finished.path if finished else newest.get(planned.spec.digest)
            if path is not None:
                yield read_record(path), finished is not None

    def left(self) -> list[Planned]:
        """The runs to do, in order."""
        return [planned for planned in self.runs if self.finished(planned) is None]

    def time_left(self) -> str:
        """How long the runs that are left take, by those of the same shape that are done; else by published ones
        of that shape, whatever machine these were made on; "unknown" without any.
        """
        if not self._shapes:
            self._shapes = {planned.key: shape_of(planned.spec) for planned in self.runs}
        seconds = {shape: statistics.median(each) for shape, each in self.done.seconds().items()}
        shapes = Counter(self._shapes[planned.key] for planned in self.left())
        published = _published_seconds() if shapes.keys() - seconds.keys() else {}
        known = sum(count * seconds[shape] for shape, count in shapes.items() if shape in seconds)
        guessed = {shape: published[shape] for shape in shapes if shape not in seconds and shape in published}
        known += sum(shapes[shape] * each for shape, each in guessed.items())
        others = sum(count for shape, count in shapes.items() if shape not in seconds and shape not in guessed)
        if not known:
            return "unknown" if others else "0 s"
        by = ", as published runs took" if guessed else ""
        return f"about {duration(known)}{by}" + (f", and {counted(others, 'run')} of unknown length" if others else "")

    def take(self, planned: Planned) -> Lease | None:
        """The lease of a run; None where it is another's, or was done meanwhile.

        Raises:
            OSError: the folder cannot be written to.
        """
        lease = self.leases.take(planned.anywhere, self.label.of(planned.spec))
        if lease is None:
            return None
        self.done.refresh()  # between looking and taking, its record may have come
        if self.finished(planned) is not None:
            lease.finish()
            return None
        return lease

    def keep(self, record: Record, planned: Planned, lease: Lease) -> Record | None:
        """Write the record of a run, with what the study knows of it, and end the lease; None if another has done the
        run, or taken it over. A lease that somebody deleted says nothing: records do.

        Args:
            record: that says already where it was made and what came before; or not, where it was made here.

        Raises:
            StoreError: it could not be written.
        """
        self.done.refresh()
        if self.finished(planned) is not None or (lease.lost and not lease.deleted):
            lease.let_go()
            return None
        if record.place is None:
            place = Place.on(None, self.engine)
            known = {"study": self.study.mark, "place": place, "tries": lease.tries}
            record = record.model_copy(update=known)
        path = Store(self.study.results).write(record)
        self.done.add(record, path)
        self._made += 1
        if self._made % INDEX_EVERY == 0:
            self.index()
        with suppress(OSError):  # the record says it all
            lease.finish()
        return record

    def index(self) -> None:
        """Bring the index of records up to date, between two runs, so that the next call need not parse them all."""
        facts([self.study.results], ())


class NoRoom(Exception):
    """Records cannot be written any more."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(str(error))
        self.error = error


def taken(work: Work, planned: Planned) -> Lease | None:
    """``Work.take``. Raises NoRoom."""
    try:
        return work.take(planned)
    except OSError as error:
        raise NoRoom(StoreError(f"cannot write to {work.leases.folder}: {error.strerror}")) from None


class Told(Overall):
    """What is printed of a study while it goes on."""

    def __init__(self, work: Work, console: Screen) -> None:
        self._work = work
        left = len(work.left())
        super().__init__(len(work.runs), len(work.runs) - left, console, work.time_left())

    def record(self, record: Record) -> None:
        """Print the line of a record that was written just now."""
        self.time_left = self._work.time_left()
        self.done = self.total - len(self._work.left()) - 1  # others may have made some
        self.finished(finished_line(self.done + 1, self.total, self._work.label.of(record.spec), record))

    def report(self, label: str) -> OnProgress:
        """What a worker's reports are shown by."""
        return lambda report: self.now(f"{label}, update {report['step']:,.0f}")
