"""A page for each machine: what it is, what was measured there, and under which software."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from harness.analysis.groups import groups, trait
from harness.presentation import run_columns
from harness.presentation.contest_words import title as contest_title
from harness.presentation.run_table import settings_of, with_scores_named
from harness.presentation.site.frame import Entry, Site, page_of
from harness.presentation.table import Column, Table
from harness.records.base import Environment
from harness.records.kept import Kept, Run
from harness.records.machines import slug as machine_slug
from harness.records.naming import run_name
from harness.records.speed import SpeedRecord
from harness.text import counted, machine_text, number, printable

NAVIGATION: Final = (Entry("machines/index.html", "Machines"),)
#: Records that a machine's or a study's page names one by one, the newest.
MOST_NAMED: Final = 200


@dataclass
class Machine:
    """A kind of machine, and what ran on those of it: see ``harness.records.machines.slug``.

    Attributes:
        address: of its page; its stem is also the name of its folder of submissions.
        name: in words.
    """

    address: str
    name: str
    runs: list[Run] = field(default_factory=list)
    speeds: list[SpeedRecord] = field(default_factory=list)


def machines(site: Site) -> dict[str, Machine]:
    """All machines by their slugs; found once for a site."""
    return site.once("machines", lambda: _machines(site))


def _machines(site: Site) -> dict[str, Machine]:
    found: dict[str, Machine] = {}
    for run in site.found.records:
        which = trait(run, "machine_slug")
        _of(found, which, "" if which in found else _named(run)).runs.append(run)
    for record in site.found.speeds:
        place = record.environment
        name = _words(place.device_name or place.gpu.get("name") or place.cpu, place.cpu, place.logical_cpus)
        _of(found, machine_slug(place), name).speeds.append(record)
    return dict(sorted(found.items()))


def _of(found: dict[str, Machine], which: str, name: str) -> Machine:
    return found.setdefault(which, Machine(f"machines/{which or 'unnamed'}.html", name))


def _named(run: Run) -> str:
    return _words(trait(run, "machine"), run_columns.COLUMNS["cpu"].get(run), trait(run, "logical_cpus"))


def _words(name: str, cpu: str, logical_cpus: int) -> str:
    """A machine in one line."""
    return printable(machine_text(name if name == cpu else f"{name}, {cpu}", logical_cpus))


def write(site: Site) -> None:
    """Write the page of every machine, and the list of all."""
    made = machines(site)
    for machine in made.values():
        _page(site, machine)
    columns: list[Column[Machine]] = [
        Column("machine", lambda machine: machine.name, link=lambda machine: machine.address, prose=True),
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
    site.page(machine.address, "tables", machine.name, about=about, facts_shown=_facts(machine), tables=tables)


def _facts(machine: Machine) -> list[tuple[str, str]]:
    """What the machine is and which software was seen on it, the last first."""
    columns = run_columns.COLUMNS
    places: list[Environment] = [record.environment for record in machine.speeds]
    systems = [*(columns["os"].get(run) for run in machine.runs), *(place.os for place in places)]
    pythons = [*(columns["python"].get(run) for run in machine.runs), *(place.python for place in places)]
    commits = [*(trait(run, "git_commit") for run in machine.runs), *(place.git_commit for place in places)]
    told = [json.loads(text) for text in dict.fromkeys(map(run_columns.machine_of, machine.runs))]
    versions: dict[str, dict[str, None]] = {}
    for each in [*(each["versions"] for each in told), *(place.versions for place in places)]:
        for name, version in each.items():
            versions.setdefault(name, {})[version] = None
    sizes = {size for size in [*(each["memory"] for each in told), *(place.memory_bytes for place in places)] if size}
    cpus = [machine_text(columns["cpu"].get(run), trait(run, "logical_cpus")) for run in machine.runs]
    cpus += [machine_text(place.cpu, place.logical_cpus) for place in places]
    gpus = [*(trait(run, "device_name") for run in machine.runs), *(place.gpu.get("name") for place in places)]
    facts = [
        ("processor", "; ".join(dict.fromkeys(cpus))),
        ("GPU", "; ".join(dict.fromkeys(filter(None, gpus)))),
        ("memory", ", ".join(dict.fromkeys(f"{number(size / 2**30)} GiB" for size in sorted(sizes)))),
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
    """A link to the machine that a record is of."""
    which = machine_slug(record.environment) if isinstance(record, SpeedRecord) else trait(record, "machine_slug")
    machine = machines(site)[which]
    return [Entry(machine.address, f"Machine: {machine.name}")]
