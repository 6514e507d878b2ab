"""A page for each machine: what it is, what was measured there, and under which software."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from harness.analysis.groups import groups, trait
from harness.presentation import run_columns
from harness.presentation.contest_words import title as contest_title
from harness.presentation.run_table import settings_of, with_scores_named
from harness.presentation.site.frame import Entry, Site, page_of, slug
from harness.presentation.table import Column, Table
from harness.records.base import Environment
from harness.records.kept import Kept, Run
from harness.records.naming import run_name
from harness.records.speed import SpeedRecord
from harness.text import counted, printable

NAVIGATION: Final = (Entry("machines/index.html", "Machines"),)
#: Records that a machine's or a study's page names one by one, the newest.
MOST_NAMED: Final = 200


class Key(NamedTuple):
    """What makes a machine another one.

    Attributes:
        name: of its GPU, where one was used, else of its processor.
        cpu, logical_cpus: its processor.
        gib: its memory, in whole GiB, since kernels keep back more or less of it; None where it is not known.
    """

    name: str
    cpu: str
    logical_cpus: int
    gib: int | None

    @property
    def words(self) -> str:
        """The machine in one line."""
        memory = [f"{self.gib} GiB"] if self.gib else []
        on = [self.cpu] if self.name != self.cpu else []
        return printable(", ".join([self.name, *on, counted(self.logical_cpus, "logical CPU"), *memory]))


@dataclass
class Machine:
    """A machine, the address of its page, and what ran there."""

    key: Key
    address: str
    runs: list[Run] = field(default_factory=list)
    speeds: list[SpeedRecord] = field(default_factory=list)


def machines(site: Site) -> dict[Key, Machine]:
    """All machines, in the order of their names; found once for a site."""
    return site.once("machines", lambda: _machines(site))


def _machines(site: Site) -> dict[Key, Machine]:
    found: dict[Key, tuple[list[Run], list[SpeedRecord]]] = {}
    for run in site.found.records:
        found.setdefault(_of_run(run), ([], []))[0].append(run)
    for record in site.found.speeds:
        for key in dict.fromkeys(_of_speed(record)):
            found.setdefault(key, ([], []))[1].append(record)
    taken: dict[str, str] = {}
    made = {}
    for key in sorted(found, key=lambda key: key.words):
        name = slug(key.words, taken)
        taken[name] = name
        made[key] = Machine(key, f"machines/{name}.html", *found[key])
    return made


def _of_run(run: Run) -> Key:
    memory = json.loads(run_columns.machine_of(run))["memory"]
    return Key(trait(run, "machine"), run_columns.COLUMNS["cpu"].get(run), trait(run, "logical_cpus"), _gib(memory))


def _of_speed(record: SpeedRecord) -> Iterator[Key]:
    place = record.environment
    for contest in record.contests:
        for row in contest.rows:
            yield Key(row.device_name or place.cpu, place.cpu, place.logical_cpus, _gib(place.memory_bytes))


def _gib(size: int | None) -> int | None:
    return round(size / 2**30) if size else None


def write(site: Site) -> None:
    """Write the page of every machine, and the list of all."""
    made = machines(site)
    for machine in made.values():
        _page(site, machine)
    columns: list[Column[Machine]] = [
        Column("machine", lambda machine: machine.key.words, link=lambda machine: machine.address, prose=True),
        Column("runs", lambda machine: len(machine.runs), kind="Int64"),
        Column("calls of speed", lambda machine: len(machine.speeds), kind="Int64"),
        Column("first record", lambda machine: f"{min(_moments(machine)):%Y-%m-%d}"),
        Column("last record", lambda machine: f"{max(_moments(machine)):%Y-%m-%d}"),
    ]
    about = "Figures of different machines are never compared: each has a page of its own."
    table = Table.of(columns, made.values())
    site.page("machines/index.html", "tables", "Machines", about=[about], facts_shown=[], tables=[("Machines", table)])


def _moments(machine: Machine) -> list[Any]:
    return [*(trait(run, "created") for run in machine.runs), *(record.created for record in machine.speeds)]


def _page(site: Site, machine: Machine) -> None:
    tables = []
    if machine.runs:
        tables.append(("Runs that may be compared", sets_table(machine.runs)))
        tables.append((_newest(machine.runs), runs_table(machine.runs)))
    if machine.speeds:
        tables.append(("Calls of harness speed", _speeds_table(site, machine.speeds)))
    about = [f"{counted(len(machine.runs), 'run')}, {counted(len(machine.speeds), 'call')} of harness speed."]
    site.page(machine.address, "tables", machine.key.words, about=about, facts_shown=_facts(machine), tables=tables)


def _facts(machine: Machine) -> list[tuple[str, str]]:
    """What the machine is and which software was seen on it, the last first."""
    columns, key = run_columns.COLUMNS, machine.key
    facts = [("processor", f"{key.cpu}, {counted(key.logical_cpus, 'logical CPU')}")]
    facts += [("GPU", key.name)] if key.name != key.cpu else []
    facts += [("memory", f"{key.gib} GiB")] if key.gib else []
    places: list[Environment] = [record.environment for record in machine.speeds]
    systems = [*(columns["os"].get(run) for run in machine.runs), *(place.os for place in places)]
    pythons = [*(columns["python"].get(run) for run in machine.runs), *(place.python for place in places)]
    commits = [*(trait(run, "git_commit") for run in machine.runs), *(place.git_commit for place in places)]
    versions: dict[str, dict[str, None]] = {}
    told = [json.loads(text)["versions"] for text in dict.fromkeys(map(run_columns.machine_of, machine.runs))]
    for each in [*told, *(place.versions for place in places)]:
        for name, version in each.items():
            versions.setdefault(name, {})[version] = None
    facts += [
        ("system", ", ".join(dict.fromkeys(systems))),
        ("Python", ", ".join(dict.fromkeys(pythons))),
        ("versions", "; ".join(f"{name} {', '.join(each)}" for name, each in sorted(versions.items()))),
        ("commits", ", ".join(commit[:12] for commit in dict.fromkeys(commits) if commit)),
    ]
    noise = Counter(flag for run in machine.runs for flag in trait(run, "flags").split())
    disturbed = sum(bool(trait(run, "flags")) for run in machine.runs)
    shares = ", ".join(f"{flag} {count}" for flag, count in noise.most_common())
    facts.append(("disturbed", f"{disturbed} of {counted(len(machine.runs), 'run')}{f': {shares}' if shares else ''}"))
    return [(name, printable(value)) for name, value in facts if value]


def sets_table(runs: Sequence[Run]) -> Table:
    """A row for each set of runs that may be compared: what they are of, how many, and who took part."""

    def words(name: str) -> Any:
        return lambda group: ", ".join(sorted({str(trait(run, name)) for run in group.records}))

    columns: list[Column[Any]] = [
        Column("set", lambda group: group.title, prose=True),
        Column("runs", lambda group: len(group.records), kind="Int64"),
        Column("not ok", lambda group: sum(trait(run, "status") != "ok" for run in group.records), kind="Int64"),
        Column("cells", words("cell")),
        Column("backends", words("backend")),
    ]
    return Table.of(columns, groups(runs))


def _newest(runs: Sequence[Run]) -> str:
    return "Runs, the newest first" if len(runs) <= MOST_NAMED else f"The newest {MOST_NAMED} of {len(runs):,} runs"


def runs_table(runs: Sequence[Run]) -> Table:
    """The newest of these runs, each with a link to its page."""
    of, shown = run_columns.COLUMNS, list(runs)[::-1][:MOST_NAMED]
    settings = settings_of(shown)
    columns: list[Column[Run]] = [
        Column("when", lambda run: f"{trait(run, 'created'):%Y-%m-%d %H:%M}"),
        Column("run", run_name, link=lambda run: page_of(seal_of(run)), prose=True),
        Column("setting", lambda run: settings[run.id], prose=True),
        *(of[name] for name in ("status", "score_name", "score", "train_seq_s", "train_s", "host_growth_mib")),
        Column("noise", lambda run: trait(run, "flags"), prose=True),
    ]
    return with_scores_named(Table.of(columns, shown))


def seal_of(run: Run) -> str:
    """The digest in a run's file: the address of its page."""
    return run.seal if isinstance(run, Kept) else run.digest


def _speeds_table(site: Site, records: Sequence[SpeedRecord]) -> Table:
    columns: list[Column[SpeedRecord]] = [
        Column("when", lambda record: f"{record.created:%Y-%m-%d %H:%M}"),
        Column(
            "contests", lambda record: ", ".join(contest_title(each) for each in record.contests),
            link=lambda record: page_of(site.seals[record.id]), prose=True,
        ),
        Column("status", lambda record: record.status),
        Column("rounds", lambda record: record.rounds, kind="Int64"),
    ]  # fmt: skip
    return Table.of(columns, list(records)[::-1][:MOST_NAMED])


def of_record(site: Site, record: Run | SpeedRecord) -> list[Entry]:
    """Links to the machines that a record is of."""
    keys = _of_speed(record) if isinstance(record, SpeedRecord) else [_of_run(record)]
    made = machines(site)
    return [Entry(made[key].address, f"Machine: {key.words}") for key in dict.fromkeys(keys)]
