"""Runs as a table of a terminal, and as a frame."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from harness.analysis.groups import groups
from harness.presentation.export import select_runs, write
from harness.presentation.renderers import terminal
from harness.presentation.run_columns import COLUMNS
from harness.presentation.run_table import repeats_table, runs_frame, runs_table
from harness.records.run import Place


def test_frame_of_nothing_has_the_fixed_columns() -> None:
    empty = runs_frame([])
    assert list(empty.columns) == list(COLUMNS)
    assert write(select_runs(empty), "text")
    assert write(select_runs(empty, where=["steps>=1"]), "csv")


def test_a_parameter_that_is_a_number_here_and_a_word_there_becomes_a_word(make_record: Any) -> None:
    records = [make_record(parameters={"length": 5}), make_record(parameters={"length": "five"})]
    assert runs_frame(records)["P.length"].tolist() == ["5", "five"]


def test_the_rich_table_fits_120_columns_and_cuts_nothing(some_records: Any) -> None:
    console = Console(file=StringIO(), width=120)
    console.print(terminal(runs_table(some_records)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 120
    assert "…" not in text
    for word in ("unavailable", "tensorflow", "28,250", "seed 2", "interrupted", "train"):
        assert word in text
    assert "28,250 1.77    1.19    322  3.54" in text


@pytest.mark.parametrize(
    ("idle", "words"),
    [(0.716, "launch-bound: device idle 72 %"), (0.5, ""), (0.0, ""), (None, "")],
)
def test_a_run_whose_device_waited_for_the_host_is_marked_in_every_table(
    make_record: Any, idle: float | None, words: str
) -> None:
    record = make_record(device="cuda", metrics={"device_idle_share": idle})
    (group,) = groups([record])
    assert group.settings(record) == words
    console = Console(file=StringIO(), width=200)
    console.print(terminal(runs_table([record])))
    assert ("launch-bound" in console.file.getvalue()) == bool(words)  # type: ignore[attr-defined]


def test_a_table_says_how_many_runs_shared_a_machine(make_record: Any) -> None:
    records = [make_record(record={"place": Place(engine="local", node="a", share=2)}), make_record(number=1)]
    told = "1 of 2 runs shared their machine (--share): none of their speed was measured"
    for table in (runs_table(records), repeats_table(records)):
        assert told in str(table.notes)
    assert "--share" not in str(runs_table(records[1:]).notes)
