"""Runs as tables: for a terminal, over repetitions, and as a frame to choose rows and columns from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.analysis.groups import groups, trait
from harness.analysis.repeats import repetitions
from harness.presentation.run_columns import (
    COLUMNS,
    LEAVING,
    PREFIXES,
    REPEATS,
    REPEATS_LEAVING,
    Shown,
    notes_of,
    terminal_columns,
)
from harness.presentation.table import Table
from harness.records.kept import Run

if TYPE_CHECKING:
    import pandas as pd


def runs_table(records: Iterable[Run]) -> Table:
    """The runs for a terminal, grouped by what may be compared."""
    by_group = [
        [Shown(group, record, number == 0) for number, record in enumerate(group.records)] for group in groups(records)
    ]
    columns = terminal_columns([shown for group in by_group for shown in group])
    notes = notes_of(shown.record for group in by_group for shown in group)
    return Table.of(columns, *by_group, leaving=LEAVING, notes=notes)


def repeats_table(records: Iterable[Run]) -> Table:
    """What the runs of each spec amount to, over seeds or again."""
    runs = list(repetitions(records))
    return Table.of(
        REPEATS, runs, title="Over repetitions, 95 % intervals", layout="airy", leaving=REPEATS_LEAVING,
        notes=notes_of(record for each in runs for record in each.records),
    )  # fmt: skip


def settings_of(records: Iterable[Run]) -> dict[str, str]:
    """By id, what distinguishes each of these records from the others of its task, as far as it is a setting."""
    found = groups(records)
    presets: dict[str, set[str]] = {}
    for group in found:
        for record in group.records:
            presets.setdefault(trait(record, "task"), set()).add(trait(record, "preset"))
    return {
        record.id: ", ".join(filter(None, [
            trait(record, "preset") if len(presets[trait(record, "task")]) > 1 else "",
            group.differing, *group.distinction(record),
        ]))
        for group in found for record in group.records
    }  # fmt: skip


def runs_frame(records: Iterable[Run]) -> pd.DataFrame:
    """One row per record, one column per scalar; missing values where nothing was measured."""
    import pandas as pd

    from harness.presentation.frames import frame

    records = list(records)
    columns = {}
    for prefix, (_, get) in PREFIXES.items():
        found = [get(record) for record in records]
        for name in dict.fromkeys(name for values in found for name in values):
            columns[f"{prefix}{name}"] = _series([values.get(name) for values in found])
    return pd.concat([frame(COLUMNS.values(), records), pd.DataFrame(columns)], axis=1)


def _series(values: Sequence[Any]) -> pd.Series[Any]:
    """A column of the values' own type; of text where tasks disagree about it."""
    import pandas as pd

    types = {type(value) for value in values if value is not None}
    kinds = {bool: "boolean", int: "Int64", float: "float64", str: "string"}
    kind = kinds[types.pop()] if len(types) == 1 else "float64" if types <= {int, float} else "string"
    if kind == "string":
        values = [value if value is None else str(value) for value in values]
    return pd.Series(values, dtype=kind)


def with_scores_named(table: Table) -> Table:
    """The table with the name of the score before its value, in one column, where it has both."""
    names = [column.name for column in table.columns]
    if "score_name" not in names or "score" not in names[names.index("score_name") :]:
        return table
    name_at, score_at = names.index("score_name"), names.index("score")

    def joined(cells: Sequence[Any]) -> list[Any]:
        text = f"{cells[name_at].text} {cells[score_at].text}".strip()
        both = [*cells[:score_at], cells[score_at]._replace(text=text), *cells[score_at + 1 :]]
        return both[:name_at] + both[name_at + 1 :]

    columns = [replace(column, right=False) if column.name == "score" else column for column in table.columns]
    columns.pop(name_at)
    return replace(table, columns=columns, groups=[[joined(row) for row in group] for group in table.groups])
