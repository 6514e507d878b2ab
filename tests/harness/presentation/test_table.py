"""A column is stated once: its value, how it is written, and the same of things that hold an item."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness.presentation.table import Cell, Column, Table, words

NAME: Column[dict[str, Any]] = Column("name", lambda item: item["name"], whole=True)
SIZE: Column[dict[str, Any]] = Column(
    "size", lambda item: item.get("size"), kind="Int64", heading="size\nMiB", style=lambda item: "red"
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "yes"), (False, "no"), (1234, "1,234"), (0.123456, "0.123"), ("a\x1b[31m", "a [31m"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05"),
    ],
)  # fmt: skip
def test_values_are_written_for_people(value: Any, text: str) -> None:
    assert words(value) == text


def test_a_table_holds_words_styles_headings_and_groups() -> None:
    table = Table.of([NAME, SIZE], [{"name": "a", "size": 1}], [{"name": "b"}], title="Sizes", notes=[Cell("a note")])
    assert table.headings == ["name", "size MiB"]
    assert table.texts() == [["a", "1"], ["b", ""]]
    assert table.rows[0][1] == Cell("1", "red")
    assert [len(group) for group in table.groups] == [1, 1]
    assert (table.title, table.notes) == ("Sizes", [Cell("a note")])


def test_no_cell_controls_who_reads_it_however_it_is_written() -> None:
    odd, safe = "a\x1b[31m\x9b\u202e\tb\nc", "a [31m   b\nc"
    columns = [Column("write", str, write=str), Column("words_of", str, words_of=str)]
    assert Table.of(columns, [odd]).texts() == [[safe, safe]]


def test_numbers_are_aligned_right_unless_said_otherwise() -> None:
    assert (NAME.numeric, SIZE.numeric) == (False, True)
    assert Column("a", str, kind="float64", right=False).numeric is False
    assert Column("a", str, right=True).numeric is True


def test_a_column_is_the_same_within_a_larger_thing() -> None:
    within: Column[tuple[int, dict[str, Any]]] = SIZE.within(lambda pair: pair[1])
    assert within.cell((7, {"size": 3})) == Cell("3", "red")
    assert (within.title, within.numeric) == (SIZE.title, SIZE.numeric)
    marked: Column[dict[str, Any]] = Column("size", lambda item: 0, words_of=lambda item: f"{item['size']}*")
    assert marked.within(lambda pair: pair[1]).cell((0, {"size": 3})).text == "3*"
