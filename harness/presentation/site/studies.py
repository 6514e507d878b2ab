"""A page for each study: what came out of it, and which of its runs did not end well."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from harness.analysis.groups import trait
from harness.presentation import run_columns
from harness.presentation.run_table import repeats_table, with_scores_named
from harness.presentation.site.frame import Entry, Site, slug
from harness.presentation.site.machines import MOST_NAMED, runs_table, sets_table
from harness.presentation.table import Column, Table
from harness.records.kept import Run
from harness.records.naming import reason_of, run_name
from harness.records.store import Found
from harness.text import counted, printable

NAVIGATION: Final = (Entry("studies/index.html", "Studies"),)


@dataclass
class Study:
    """Runs of one study's name, and the address of its page.

    Attributes:
        files: SHA-256 of the study's file, in the order of the runs: it may have been changed between them.
    """

    name: str
    address: str
    runs: list[Run] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)


def wanted(found: Found) -> bool:
    """Whether any run belongs to a study."""
    return any(run_columns.COLUMNS["study"].get(run) for run in found.records)


def studies(site: Site) -> dict[str, Study]:
    """All studies by name; found once for a site."""
    return site.once("studies", lambda: _studies(site))


def _studies(site: Site) -> dict[str, Study]:
    index = site.found.index
    assert index is not None
    digests = dict(zip(index.columns["id"], index.columns["study_sha256"], strict=True))
    found: dict[str, Study] = {}
    taken: dict[str, str] = {}
    for run in site.found.records:
        name = run_columns.COLUMNS["study"].get(run)
        if not name:
            continue
        if name not in found:
            part = slug(name, taken)
            taken[part] = part
            found[name] = Study(name, f"studies/{part}.html")
        found[name].runs.append(run)
        found[name].files[digests[run.id]] = None
    return found


def write(site: Site) -> None:
    """Write the page of every study, and the list of all."""
    made = studies(site)
    for study in made.values():
        _page(site, study)
    columns: list[Column[Study]] = [
        Column("study", lambda study: study.name, link=lambda study: study.address),
        Column("runs", lambda study: len(study.runs), kind="Int64"),
        Column("ended", _ends, prose=True),
        Column("last run", lambda study: f"{max(trait(run, 'created') for run in study.runs):%Y-%m-%d}"),
    ]
    table = Table.of(columns, made.values())
    about = "A study is a file that says which runs to make; every run of it says so in its record."
    site.page("studies/index.html", "tables", "Studies", about=[about], facts_shown=[], tables=[("Studies", table)])


def _ends(study: Study) -> str:
    counts = Counter(trait(run, "status") for run in study.runs)
    return ", ".join(f"{count:,} {status}" for status, count in counts.most_common())


def _page(site: Site, study: Study) -> None:
    failed = [run for run in study.runs if trait(run, "status") != "ok"]
    facts = [
        ("runs", f"{counted(len(study.runs), 'run')}: {_ends(study)}"),
        ("machines", ", ".join(sorted({trait(run, "machine") for run in study.runs}))),
        ("study's file", ", ".join(f"SHA-256 {digest}" for digest in study.files if digest)),
    ]
    tables = [("Runs that may be compared", sets_table(study.runs))]
    results = with_scores_named(repeats_table(study.runs))
    if results.rows:
        tables.append(("Over repetitions, with 95 % intervals from three runs on", results))
    if failed:
        columns: list[Column[Run]] = [
            Column("run", run_name, prose=True),
            Column("status", lambda run: trait(run, "status")),
            Column("reason", lambda run: printable(reason_of(run) or "none was recorded"), prose=True),
        ]
        tables.append(("Runs that did not end well", Table.of(columns, failed[:MOST_NAMED])))
    heading = "Runs, the newest first" if len(study.runs) <= MOST_NAMED else f"The newest {MOST_NAMED} runs"
    tables.append((heading, runs_table(study.runs)))
    facts = [(name, printable(value)) for name, value in facts if value]
    site.page(study.address, "tables", f"Study {study.name}", about=[], facts_shown=facts, tables=tables)


def of_run(site: Site, run: Run) -> list[Entry]:
    """A link to the study that a run belongs to; none where it belongs to none."""
    name = run_columns.COLUMNS["study"].get(run)
    return [Entry(studies(site)[name].address, f"Study: {name}")] if name else []
