"""Items as data frames, and frames as tables."""

from __future__ import annotations

from harness.presentation.frames import frame, table_of
from harness.presentation.table import Column

COLUMNS: dict[str, Column[int]] = {
    column.name: column
    for column in (
        Column("number", lambda item: item, kind="Int64"),
        Column("half", lambda item: item / 2 if item else None, kind="float64", heading="a\nhalf"),
        Column("shown", str, exported=False),
    )
}


def test_a_frame_has_typed_columns_and_missing_values() -> None:
    data = frame(COLUMNS.values(), [0, 3])
    assert list(data.columns) == ["number", "half"], "what is for people alone is not exported"
    assert [str(kind) for kind in data.dtypes] == ["Int64", "float64"]
    assert data["half"].isna().tolist() == [True, False]


def test_a_frame_of_nothing_keeps_the_types() -> None:
    assert [str(kind) for kind in frame(COLUMNS.values(), []).dtypes] == ["Int64", "float64"]


def test_a_frame_is_shown_as_its_columns_say() -> None:
    table = table_of(frame(COLUMNS.values(), [0, 3000]), COLUMNS.__getitem__)
    assert table.headings == ["number", "a half"]
    assert table.texts() == [["0", ""], ["3,000", "1,500"]]
