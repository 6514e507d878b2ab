"""Items as data frames, which are selected from, exported, and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from harness.presentation.table import Cell, Column, Item, Table


def frame(columns: Iterable[Column[Item]], items: Iterable[Item]) -> pd.DataFrame:
    """One row per item, one column of its own type per exported column; missing values where there are none."""
    items = list(items)
    return pd.DataFrame({
        column.name: pd.Series([column.get(item) for item in items], dtype=column.kind)
        for column in columns if column.exported
    })  # fmt: skip


def table_of(data: pd.DataFrame, columns: Callable[[str], Column[Any]]) -> Table:
    """The table that shows ``data`` to people; ``columns`` gives a column by its name."""
    shown = [columns(name) for name in data.columns]
    values = [
        [column.words(None if pd.isna(value) else value) for value in data[column.name].tolist()] for column in shown
    ]
    return Table(shown, [[[Cell(text) for text in row] for row in zip(*values, strict=True)]])
