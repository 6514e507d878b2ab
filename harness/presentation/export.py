"""The output of ``harness table``: records as wide as the terminal, as text, Markdown, LaTeX, CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.analysis.repeats import repetitions
from harness.presentation import contest_columns, contest_table, renderers, run_columns, screen
from harness.presentation.folders import prepared
from harness.presentation.frames import frame, table_of
from harness.presentation.run_table import runs_frame, settings_of, with_scores_named
from harness.presentation.selection import select
from harness.presentation.table import Column, Decimal
from harness.records.kept import Run
from harness.records.speed import SpeedRecord
from harness.records.store import Found
from harness.records.whole import write_whole
from tasks.registry import nearest

#: Formats in which numbers are rounded for people.
FOR_PEOPLE = ("terminal", "text", "markdown", "latex")
FORMATS = (*FOR_PEOPLE, "csv", "parquet")
#: Formats by the ending of a file.
ENDINGS = {".txt": "text", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".parquet": "parquet"}
ColumnOf = Callable[[str], Column[Any]]


def render(
    found: Found,
    columns: Sequence[str],
    sort: Sequence[str],
    where: Sequence[str],
    form: str | None,
    out: Path | None,
    summary: bool = False,
    decimal: Decimal = ".",
) -> str | None:
    """The records as text, or None once they are written to ``out``.

    Runs are one table; speed contests follow, a table each. Where columns are chosen or the format is for machines
    there is one table: of the runs, or of the contestants where there are no runs.

    Raises:
        ValueError: as ``select`` and ``write``.
    """
    form = format_named(form, out)
    exported = form not in FOR_PEOPLE
    if summary:
        with prepared(found, run_columns.SUMMARIZED):
            data = frame(run_columns.SUMMARY.values(), repetitions(found.records))
        usual: Sequence[str] = () if exported or data.empty else run_columns.SUMMARY_DEFAULT
        return write(select(data, columns or usual, sort, where), form, out, decimal=decimal)
    if not found.records and (exported or columns or sort or where):
        data = frame(contest_columns.COLUMNS.values(), contest_columns.entries(found.speeds))
        chosen = select(data, (), sort, where)
        usual = () if exported else contest_columns.usual(chosen)
        chosen = select(chosen, columns or usual)
        return write(chosen, form, out, contest_columns.COLUMNS.__getitem__, decimal)
    parts = []
    if found.records:
        with prepared(found, run_columns.COLUMNS):
            data = runs_frame(found.records)
        chosen = select_runs(data, columns or (list(data.columns) if exported else ()), sort, where, found.records)
        if exported or columns or sort or where or not found.speeds:
            return write(chosen, form, out, decimal=decimal)
        parts.append(as_text(chosen, form, decimal=decimal))
    return _kept("\n".join([*parts, *(_contest(record, form, decimal) for record in found.speeds)]), out)


def select_runs(
    data: pd.DataFrame,
    columns: Sequence[str] = (),
    sort: Sequence[str] = (),
    where: Sequence[str] = (),
    records: Iterable[Run] = (),
) -> pd.DataFrame:
    """As ``select``, of a frame of runs. Without ``columns``: the default ones, those of a GPU where one was measured;
    where rows differ, in what; what disturbed them where anything did, and ``reason`` where a run is not ok.

    Args:
        records: those of the frame, which settings are read from.
    """
    chosen = select(data, (), sort, where)
    if columns:
        return select(chosen, columns)
    kept = set(chosen["id"])
    settings = settings_of(record for record in records if record.id in kept)
    chosen["setting"] = pd.Series([settings.get(identity) for identity in chosen["id"]], dtype="string")
    shown = {
        "setting": any(settings.values()), **{name: chosen[name].notna().any() for name in run_columns.OF_A_GPU},
        "noise": any(flags for flags in chosen["noise"].dropna() if flags != "none"),
        "reason": (chosen["status"] != "ok").any(),
    }  # fmt: skip
    return select(chosen, [*run_columns.DEFAULT, *(name for name, needed in shown.items() if needed)])


def _contest(record: SpeedRecord, form: str, decimal: Decimal) -> str:
    if form == "terminal":
        return screen.drawn(contest_table.terminal(record, decimal))
    written = {"markdown": contest_table.markdown, "latex": contest_table.latex, "text": contest_table.text}
    return written[form](record, decimal)


def format_named(form: str | None, out: Path | None) -> str:
    """The format asked for, else the one of the file's ending, else ``terminal`` if there is one, else ``text``.

    Raises:
        ValueError: an unknown format, or none asked for and an ending that is none's.
    """
    named = form or (ENDINGS.get(out.suffix) if out else "terminal" if sys.stdout.isatty() else "text")
    if named is None:
        assert out is not None
        raise ValueError(
            f"{out}: the format of {out.suffix!r} is not known; end it in {', '.join(ENDINGS)}, or --format"
        )
    if named not in FORMATS:
        raise ValueError(nearest("format", named, list(FORMATS)))
    return named


def write(
    data: pd.DataFrame,
    form: str,
    out: Path | None = None,
    column: ColumnOf = run_columns.column,
    decimal: Decimal = ".",
) -> str | None:
    """The rows as text, Markdown, LaTeX, CSV or Parquet: returned, or None once written to ``out``.

    Text, Markdown and LaTeX round numbers for people; CSV and Parquet hold them as they are.

    Args:
        column: gives a column by its name.
        decimal: the decimal mark.

    Raises:
        ValueError: an unknown format; Parquet without a file or without pyarrow, or with a decimal mark.
    """
    if form == "parquet":
        if out is None:
            raise ValueError("parquet is no text: name a file with --out")
        if decimal != ".":
            raise ValueError("--decimal is for text: parquet holds numbers, not their marks")
        renderers.parquet(data, out)
        return None
    return _kept(as_text(data, form, column, decimal), out)


def as_text(data: pd.DataFrame, form: str, column: ColumnOf = run_columns.column, decimal: Decimal = ".") -> str:
    """The rows for a terminal, or as text, Markdown, LaTeX or CSV. Raises ValueError for another format."""
    if format_named(form, None) == "csv":
        return renderers.csv(data, decimal)
    table = with_scores_named(table_of(data, column)).with_decimal(decimal)
    if "cell" in data:
        table = replace(table, notes=run_columns.own_note(data["cell"]))
    if form == "terminal":
        return screen.drawn(table)
    written = {"markdown": renderers.markdown, "latex": renderers.latex, "text": renderers.text}
    return written[form](table) + "\n"


def _kept(text: str, out: Path | None) -> str | None:
    """``text``, or None once it is written to ``out``."""
    if out is None:
        return text
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, text)
    return None
