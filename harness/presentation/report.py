"""The report: one page about many records, as Markdown and as a single HTML file."""

from __future__ import annotations

import base64
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.analysis.groups import Group, groups, trait
from harness.analysis.repeats import repetitions_in
from harness.errors import UsageError
from harness.presentation import contest_figures, contest_table, pages, run_columns, run_figures
from harness.presentation.contest_words import machine
from harness.presentation.figure import Drawn, left_out
from harness.presentation.fold import FOLDED
from harness.presentation.folders import prepared
from harness.presentation.run_columns import COLUMNS, SUMMARIZED
from harness.presentation.run_table import repeats_table
from harness.presentation.table import Table
from harness.records.kept import Run
from harness.records.naming import reason_of, run_name
from harness.records.speed import SpeedRecord
from harness.records.store import Found
from harness.records.whole import write_whole
from harness.text import counted, machine_text, number, printable, score_text
from tasks.registry import nearest

FIGURES = "figures"
#: Columns that a report needs of all runs.
REPORTED = (
    *SUMMARIZED, "train_seq_s_p10", "train_seq_s_p90", "predict_seq_s", "host_init_mib", "device_peak_mib", "energy_j",
    "joules_per_1000_sequences", "parameters", "gate", "executed", "noise", "threads", "cpu", "git_commit", "git_dirty",
    "surroundings", "name", "reason", "baseline",
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure as the templates need it: the path of the PNG, and the SVG as a data URL."""

    name: str
    title: str
    about: str
    png: str
    data: str


@dataclass(frozen=True)
class Section:
    """One group of comparable runs."""

    title: str
    about: str
    score: str
    table: Table
    not_run: list[tuple[str, str, str]]
    pictures: list[Picture]
    runs: str


@dataclass(frozen=True)
class Speed:
    """One call of ``harness speed``."""

    title: str
    about: str
    legend: list[str]
    tables: list[Table]
    pictures: list[Picture]


def write(
    found: Found,
    out: Path,
    title: str = "Recurrent networks, measured",
    only: Sequence[str] = (),
    tell: Callable[[str], None] = lambda sentence: None,
) -> list[Path]:
    """Write ``report.md`` with its figures beside it, and the self-contained ``report.html``, into ``out``.

    Args:
        only: words in the headings of what gets figures.
        tell: is told what gets none before the others are drawn.

    Returns:
        Every file written, the two pages first.

    Raises:
        UsageError: nothing has a heading with any of ``only`` in it.
    """
    with prepared(found, REPORTED):
        comparable = groups(found.records)
        missing = not_drawn(found, only, comparable)
        for sentence in missing:
            tell(sentence)
        (out / FIGURES).mkdir(parents=True, exist_ok=True)
        pictures = _pictures(run_figures.figures(found.records, only, comparable), out / FIGURES)
        contests = _pictures(contest_figures.figures(found.speeds, only), out / FIGURES)
        about = _content(found, comparable, pictures, contests) | {"title": printable(title), "not_drawn": missing}
    written = [out / "report.md", out / "report.html"]
    write_whole(written[0], pages.markdown().get_template("report.md.j2").render(about))
    write_whole(written[1], pages.html().get_template("report.html.j2").render(about))
    return written + [out / picture.png for picture in [*pictures, *contests]]


def of_study(found: Found, name: str) -> Found:
    """The runs of one study alone.

    Raises:
        UsageError: none is of a study of that name.
    """
    study = COLUMNS["study"].get
    runs = [run for run in found.records if study(run) == name]
    if not runs:
        raise UsageError(nearest("study", name, sorted({str(each) for run in found.records if (each := study(run))})))
    return replace(found, records=runs, speeds=[], verdicts=[], claims=[])


def not_drawn(found: Found, only: Sequence[str], comparable: Sequence[Group] | None = None) -> list[str]:
    """What of the records gets no figures, a sentence each for runs and speed contests; none where all is drawn.

    Args:
        comparable: the groups of the runs, where they are known.

    Raises:
        UsageError: nothing has a heading with any of ``only`` in it.
    """
    comparable = groups(found.records) if comparable is None else comparable
    sets, calls = run_figures.drawn_groups(comparable, only), contest_figures.drawn_calls(found.speeds, only)
    if only and not sets and not calls:
        raise UsageError(f"--only: no heading contains {' or '.join(map(repr, only))}")
    sentences = (
        left_out(len(sets), len(comparable), "sets of comparable runs", only),
        left_out(len(calls), len(found.speeds), "calls of harness speed", only),
    )
    return [sentence for sentence in sentences if sentence]


def _pictures(figures: Iterable[Drawn], folder: Path) -> list[Picture]:
    """Draw all figures: the PNG for the Markdown page, the SVG for the HTML page."""
    pictures = []
    with tempfile.TemporaryDirectory() as scratch:
        for drawn in figures:
            png = drawn.save(folder / f"{drawn.name}.png")
            # as an image, not as markup: ids in figures cannot collide, and nothing in them can run
            svg = base64.b64encode(drawn.save(Path(scratch) / "figure.svg").read_bytes()).decode()
            pictures.append(
                Picture(
                    drawn.name,
                    drawn.title,
                    printable(drawn.about),
                    f"{FIGURES}/{png.name}",
                    f"data:image/svg+xml;base64,{svg}",
                )
            )
    return pictures


def _content(
    found: Found, comparable: Sequence[Group], pictures: Sequence[Picture], contests: Sequence[Picture]
) -> dict[str, Any]:
    """What both templates are given."""
    by_name = {picture.name: picture for picture in pictures}
    folded = len(found.records) > FOLDED
    repeated = any(len(runs) > 1 for group in comparable for runs in group.contenders().values())
    own = {group.slug: [name for kind in ("curves", "time") if (name := f"{kind}-{group.slug}") in by_name]
           for group in comparable}  # fmt: skip
    of_groups = {name for names in own.values() for name in names}
    return {
        "summary": _summary(found, comparable),
        "facts": _facts(found.records),
        # folded, the tables of the sets say it
        "repeats": repeats_table(found.records) if repeated and not folded else None,
        "sections": [_section(group, [by_name[name] for name in own[group.slug]], folded) for group in comparable],
        "overview": [picture for picture in pictures if picture.name not in of_groups],
        "problems": [printable(problem) for problem in found.problems],
        "on_gpu": any(trait(record, "device") == "cuda" for record in found.records),
        "folded": folded,
        "records": counted(len(found.records) + len(found.speeds), "record"),
        "ids": [] if folded else [record.id for record in [*found.records, *found.speeds]],
        "speeds": [_speed(record, contests) for record in found.speeds],
    }


def _speed(record: SpeedRecord, pictures: Sequence[Picture]) -> Speed:
    return Speed(
        title=f"Speed, {record.created:%Y-%m-%d %H:%M %Z}",
        about=machine(record),
        legend=contest_table.legend(record),
        tables=contest_table.tables(record),
        pictures=[picture for picture in pictures if picture.name.endswith(record.id)],
    )


def _summary(found: Found, comparable: Sequence[Group]) -> str:
    """One sentence: how many runs of what, and how they ended."""
    records = found.records
    if found.speeds and not records:
        return f"{_contests(found)}."
    if not records:
        return "No records were found."
    counts = Counter(trait(record, "status") for record in records)
    ends = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    names, tasks, cells = (_words(trait(record, name) for record in records) for name in ("backend", "task", "cell"))
    sets = f"{len(comparable)} set{'s' * (len(comparable) != 1)} of comparable runs"
    also = f" {_contests(found)}." if found.speeds else ""
    return f"{_count(records)} ({ends}) in {sets}: {tasks}; {cells}; {names}.{also}"


def _contests(found: Found) -> str:
    count = sum(len(record.contests) for record in found.speeds)
    return f"{count} speed contest{'s' * (count != 1)} in {len(found.speeds)} call{'s' * (len(found.speeds) != 1)}"


def _count(records: Sequence[Run]) -> str:
    return f"{len(records)} run{'s' * (len(records) != 1)}"


def _words(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


#: Columns of where a run happened.
_PLACE = ("cpu", "logical_cpus", "os", "python", "git_commit", "git_dirty")


def _facts(records: Sequence[Run]) -> list[tuple[str, str]]:
    """Machine, versions and commit of the runs; all of them where there were several."""
    if not records:
        return []
    places = {tuple(COLUMNS[name].get(record) for name in _PLACE) for record in records}
    machines = [json.loads(text) for text in dict.fromkeys(map(run_columns.machine_of, records))]
    versions: dict[str, set[str]] = {}
    for told in machines:
        for name, version in told["versions"].items():
            versions.setdefault(name, set()).add(version)
    moments = [trait(record, "created") for record in records]
    first, last = min(moments), max(moments)
    dirty = " (with uncommitted changes)"
    facts = {
        "when": f"{first:%Y-%m-%d %H:%M}" + (f" to {last:%Y-%m-%d %H:%M}" if last != first else "") + f" {last:%Z}",
        "processor": _words(machine_text(cpu, cpus) for cpu, cpus, *_ in places),
        "memory": _words(f"{number(m['memory'] / 2**30)} GiB" for m in machines if m["memory"]),
        "device": _words(trait(record, "device") for record in records),
        "GPU": _words(m["gpu"] for m in machines if m["gpu"]),
        "threads": _words(str(COLUMNS["threads"].get(record)) for record in records),
        "system": _words(f"{system}, Python {python}" for _, _, system, python, *_ in places),
        "versions": ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in sorted(versions.items())),
        "commit": _words(f"{commit[:12]}{dirty * bool(changed)}" for *_, commit, changed in places if commit),
        "kept from workers": _words(name for m in machines for name in m["strays"]),
    }
    return [(name, printable(value)) for name, value in facts.items() if value]


def _section(group: Group, pictures: list[Picture], folded: bool) -> Section:
    runs = list(repetitions_in(group))
    # a column that says nothing anywhere, such as the device's memory on a CPU, is left out
    columns = [column for column in run_columns.REPORT if any(column.cell(each).text for each in runs)]
    return Section(
        title=printable(group.title),
        about=printable(group.about),
        score=_yardstick(group.ok[0]) if group.ok else "",
        table=Table.of(columns, runs, notes=run_columns.own_note(each.cell for each in runs)),
        not_run=_not_run(group, folded),
        pictures=pictures,
        runs=counted(len(group.records), "run"),
    )


def _not_run(group: Group, folded: bool) -> list[tuple[str, str, str]]:
    """Name, status and reason of each run without figures; folded, of those that are alike in them together."""
    lines = [
        (run_name(run), str(trait(run, "status")), printable(reason_of(run) or "no reason was recorded"))
        for run in group.records
        if trait(run, "status") != "ok"
    ]
    if not folded:
        return lines
    return [(f"{name} ({counted(count, 'run')})", *rest) for (name, *rest), count in Counter(lines).items()]  # type: ignore[misc]


def _yardstick(run: Run) -> str:
    better = "more" if run_columns.higher_is_better(run) else "less"
    nothing = COLUMNS["baseline"].get(run)
    than = f"; a model that learned nothing reaches {score_text(nothing)}" if nothing is not None else ""
    return f"Score: {printable(trait(run, 'score_name'))} on the test split, {better} is better{than}."
