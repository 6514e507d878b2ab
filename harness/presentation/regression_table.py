"""Recorded runs before and after, as a table."""

from __future__ import annotations

from collections.abc import Callable

from harness.analysis.regression import Change, Regressions, Row, State
from harness.presentation.table import Column, Table
from harness.text import printable

STYLES: dict[State, str] = {"worse": "red", "better": "green", "same": "", "not judged": "yellow"}


def table(found: Regressions) -> Table:
    """A row per spec; what changed in it by more than is tolerated is coloured and named."""
    columns: list[Column[Row]] = [
        Column("run", lambda row: row.name),
        Column("runs", lambda row: f"{row.before}, {row.after}{f' ({row.noisy} noisy)' if row.noisy else ''}"),
        _change("time", lambda row: row.time),
        _change("memory", lambda row: row.memory),
        _change("score", lambda row: row.score),
    ]
    return Table.of(columns, found.rows, layout="airy")


def _change(name: str, get: Callable[[Row], Change]) -> Column[Row]:
    return Column(name, get, write=_words, style=lambda row: STYLES[get(row).state])


def _words(change: Change) -> str:
    return printable(change.text if change.state == "same" else f"{change.state}: {change.text}")
