"""A study as people see it: its runs by what they differ in, what is done and what is left, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.presentation.table import Column, Table
from harness.records.run import Record
from harness.specs.options import option_named, value_at
from harness.specs.run import RunSpec
from harness.text import duration, printable, score_text

#: What every label has, in this order, and how much it says by itself.
_ALWAYS = ("task", "model.cell", "backend")


class Label:
    """Names the runs of a study: task, cell and backend, and what the study varies beside them.

    Args:
        axes: names in Python of the options that it varies.
    """

    def __init__(self, axes: Iterable[str]) -> None:
        options = [option_named(name) for name in dict.fromkeys(axes)]
        self._varied = [(each.fills, each.name) for each in options if each.fills and each.fills not in _ALWAYS]

    def of(self, spec: RunSpec) -> str:
        """The label of one run."""
        words = [spec.task, spec.model.name, spec.backend]
        words += [f"{name} {_written(value_at(spec, path))}" for path, name in self._varied]
        return printable(" ".join(words))


def _written(value: Any) -> str:
    if isinstance(value, dict):  # task parameters
        return ",".join(f"{name}={each}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def finished_line(position: int, total: int, label: str, record: Record) -> str:
    """What became of a run, in one line."""
    place = f"[{position:>{len(str(total))}}/{total}]"
    metrics = record.metrics
    if metrics is None or metrics.main is None:
        return printable(f"{place} {label}: {record.status}: {record.reason or 'no reason was given'}")
    score = f"{metrics.main_score} {score_text(metrics.main)}"
    return printable(f"{place} {label}: {score}, {duration(metrics.wall_s)}")


def status_table(title: str, statuses: Mapping[str, int], running: Sequence[str], left: int, time_left: str) -> Table:
    """How far a study is: a row for each status of what is done, one for what runs and one for what is left."""
    rows = [(status, count, "") for status, count in sorted(statuses.items())]
    rows += [("running", len(running), "\n".join(running))] if running else []
    rows.append(("left", left, time_left))
    columns: list[Column[tuple[str, int, str]]] = [
        Column("runs", lambda row: row[0]),
        Column("number", lambda row: row[1], kind="Int64"),
        Column("which", lambda row: row[2] or None, heading=" ", prose=True),
    ]
    return Table.of(columns, rows, title=title, layout="framed")
