"""What commands print, where that is no terminal."""

from __future__ import annotations

import pytest
from rich.text import Text

from harness.presentation.screen import show
from harness.presentation.table import Column, Table


def test_tables_and_other_parts_are_printed_one_below_the_other_without_blanks_at_the_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns: list[Column[str]] = [Column("a", str), Column("b", lambda item: "")]
    show(Table.of(columns, ["x"]), Text("after   "), width=30)
    lines = capsys.readouterr().out.split("\n")
    assert [line.split() for line in lines[:1]] == [["a", "b"]]
    assert lines[-2:] == ["after", ""]
    assert all(line == line.rstrip() for line in lines)
