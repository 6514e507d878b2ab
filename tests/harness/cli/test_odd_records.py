"""One odd record breaks no reading command: what cannot be is refused, what is left is shown."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from harness.analysis import regression
from harness.analysis.opinions import opinions
from harness.errors import UsageError
from harness.presentation import contest_figures, report, run_figures
from harness.presentation.export import FOR_PEOPLE, render
from harness.presentation.kinds import shown
from harness.presentation.regression_table import table
from harness.presentation.renderers import terminal
from harness.presentation.run_table import repeats_table, runs_table
from harness.presentation.show import show
from harness.records.store import Found, StoreError, read, read_all
from harness.workflows.verify import verify_all
from tests.fixtures.odd_records import Mutant, mutants
from tests.harness.conftest import made_record

COUNT = 1000
#: Mutants that share a folder, and every how many-th is drawn.
TOGETHER, DRAWN = 25, 40
GOOD = made_record(seed=3, number=3)


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Found]]:
    """The mutants that are read as records, by what is odd about each."""
    file = tmp_path_factory.mktemp("odd") / "odd.json"
    found, refusals = [], []
    for mutant in mutants(COUNT):
        file.write_bytes(mutant.text)
        try:
            record = read(file)
        except StoreError as error:
            refusals.append(str(error))
            continue
        found.append((mutant.name, Found()))
        found[-1][1].add(record)
    assert not [line for line in refusals if "\n" in line]
    return found


def read_in_every_way(found: Found) -> None:
    """What ``table``, ``show``, ``compare`` and the table after a run do with records."""
    console = Console(file=StringIO(), width=120)
    for form in (*FOR_PEOPLE, "csv"):
        render(found, (), (), (), form, None)
        render(found, (), (), (), form, None, summary=True)
    for part in (runs_table(found.records), repeats_table(found.records)):
        console.print(terminal(part))
    for record in found.records:
        console.print(show(record))
        for pair in ((record, GOOD), (GOOD, record)):
            with suppress(UsageError):
                regression.sentences(*pair, *regression.pair(*pair))
    for other in (*found.speeds, *found.verdicts):
        console.print(shown(other)[0])
    opinions(found.verdicts, {each.judged.id: each.judged.digest for each in found.verdicts})
    if found.records:
        console.print(terminal(table(regression.against(found.records, [*found.records, GOOD], 0.05))))


def together(found: Iterable[Found]) -> Found:
    parts = list(found)
    whole = Found()
    for part in parts:
        for record in (*part.runs, *part.speeds, *part.verdicts):
            whole.add(record)
    return whole


def test_many_mutants_are_records_and_most_are_refused(accepted: list[tuple[str, Found]]) -> None:
    assert COUNT / 5 < len(accepted) < COUNT * 2 / 3


def test_no_mutant_breaks_a_table_or_a_comparison(accepted: list[tuple[str, Found]]) -> None:
    for start in range(0, len(accepted), TOGETHER):
        batch = accepted[start : start + TOGETHER]
        try:
            read_in_every_way(together(found for _, found in batch))
        except Exception:
            for name, found in batch:
                print(name)  # the last one printed is the one that does it
                read_in_every_way(found)
            raise


def test_no_mutant_alone_breaks_a_table(accepted: list[tuple[str, Found]]) -> None:
    for name, found in accepted[::10]:
        print(name)
        read_in_every_way(found)


def test_no_mutant_breaks_a_figure_or_a_page(accepted: list[tuple[str, Found]], tmp_path: Path) -> None:
    for name, found in accepted[::DRAWN]:
        print(name)
        for drawn in (*run_figures.figures(found.records), *contest_figures.figures(found.speeds)):
            drawn.figure.draw_without_rendering()
    report.write(accepted[0][1], tmp_path)


def written(folder: Path, *odd: Mutant) -> Path:
    for number, mutant in enumerate(odd):
        (folder / f"{number}.json").write_bytes(mutant.text)
    return folder


def test_verify_names_every_mutant_that_it_cannot_read(tmp_path: Path) -> None:
    some = [mutant for mutant in mutants(60) if b"metrics" not in mutant.text or b'"status": "failed"' in mutant.text]
    folder = written(tmp_path, *some)
    rows, problems = verify_all([folder], 1, None, json_lines=False)
    verdicts = read_all([folder]).verdicts
    assert len(rows) + len(problems) + len(verdicts) == len(some), "those are passed over"
    assert len(read_all([folder]).problems) == len([row for row in rows if row.record is None])
