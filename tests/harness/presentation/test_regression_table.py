"""Recorded runs before and after, as a table."""

from __future__ import annotations

from harness.analysis.regression import Change, Regressions, Row
from harness.presentation.regression_table import table
from harness.presentation.table import Cell


def test_what_changed_is_named_and_coloured() -> None:
    same, worse = Change("same", "1×"), Change("worse", "2× \x1b[31m")
    (cells,) = table(Regressions([Row("a run", 3, 4, worse, same, Change("not judged", "why"), noisy=2)], [], [])).rows
    assert cells == [
        Cell("a run"), Cell("3, 4 (2 noisy)"), Cell("worse: 2× [31m", "red"), Cell("1×"),
        Cell("not judged: why", "yellow"),
    ]  # fmt: skip


def test_runs_that_something_disturbed_are_counted_beside_the_others() -> None:
    same = Change("same", "1×")
    (cells,) = table(Regressions([Row("a run", 3, 4, same, same, same, noisy=2)], [], [])).rows
    assert cells[1] == Cell("3, 4 (2 noisy)")
