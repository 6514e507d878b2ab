"""Repetitions of one spec, over seeds or runs, as one row: averages with their interval, how many solved the task."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from harness.analysis.columns import COLUMNS
from harness.analysis.disturbance import flags
from harness.analysis.groups import Group, groups
from harness.analysis.interval import interval
from harness.records.run import Record
from harness.text import number, printable, score_text

#: Columns whose median over the runs is shown.
MEDIANS = ("train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s")
Row = dict[str, Any]


def rows(records: Iterable[Record]) -> Iterator[Row]:
    """A row per group, cell and contender. Only runs that were ok count; ``not_ok`` says how many were not."""
    for group in groups(records):
        for (cell, contender), ok in group.contenders().items():
            yield {"task": group.title, "cell": cell, "contender": contender, **_row(group, ok)}


def _row(group: Group, ok: list[Record]) -> Row:
    scores = [COLUMNS["score"].get(record) for record in ok]
    low, high = interval(scores, np.mean) or (None, None)
    failed = [r for r in group.records if r.status != "ok" and _same(r, ok[0])]
    found: Row = {
        "runs": len(ok),
        "seeds": len({record.spec.seed for record in ok}),
        "not_ok": len(failed),
        "solved_runs": sum(record.metrics.solved for record in ok if record.metrics),
        "noisy_runs": sum(bool(flags(record.noise)) for record in ok),
        "score_name": COLUMNS["score_name"].get(ok[0]),
        "score_mean": statistics.fmean(scores),
        "score_low": low,
        "score_high": high,
    }
    for name in MEDIANS:
        values = [value for record in ok if (value := COLUMNS[name].get(record)) is not None]
        low, high = interval(values) or (None, None)
        median = statistics.median(values) if values else None
        found |= {f"{name}_median": median, f"{name}_low": low, f"{name}_high": high}
    return found


def _same(a: Record, b: Record) -> bool:
    """Whether two records were asked for the same but for the seed."""
    return a.spec.model_copy(update={"seed": 0}) == b.spec.model_copy(update={"seed": 0})


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """The rows as a table for machines and for ``harness table --summary``."""
    return pd.DataFrame(list(rows(records))).convert_dtypes()


def is_worth(records: Iterable[Record]) -> bool:
    """Whether any spec was run more than once."""
    return any(row["runs"] > 1 for row in rows(records))


#: Of the table for people, with whether the column holds numbers.
HEADINGS = (
    ("task", False), ("cell", False), ("backend", False), ("runs", True), ("solved", True), ("noisy", True),
    ("mean score", True), ("median train seq/s", True), ("median growth MiB", True),
)  # fmt: skip


def cells(row: Row) -> list[str]:
    """A row's values for people, in the order of ``HEADINGS``."""
    return [
        *(printable(str(row[name])) for name in ("task", "cell", "contender")),
        f"{row['runs']}" + (f" + {row['not_ok']} not ok" if row["not_ok"] else ""),
        f"{row['solved_runs']}/{row['runs']}",
        str(row["noisy_runs"]),
        printable(f"{row['score_name']} {_with_interval(row, 'score', 'mean')}"),
        _with_interval(row, "train_seq_s"),
        _with_interval(row, "host_growth_mib"),
    ]


def rich_table(records: Iterable[Record]) -> Table:
    """The rows for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, title="Over repetitions, 95 % intervals")
    for heading, numeric in HEADINGS:
        words = heading.replace("median ", "median\n") if numeric else heading
        table.add_column(words, justify="right" if numeric else "left", overflow="fold")
    for row in rows(records):
        table.add_row(*map(Text, cells(row)))
    return table


def _with_interval(row: Row, name: str, average: str = "median") -> str:
    """ "0.0013 (0.0011–0.0016)", or the average alone where there are too few for an interval."""
    value, low, high = row[f"{name}_{average}"], row[f"{name}_low"], row[f"{name}_high"]
    if value is None:
        return ""
    text = score_text if name == "score" else number
    return text(value) if low is None else f"{text(value)} ({text(low)}–{text(high)})"
