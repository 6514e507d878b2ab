"""Records as a table: one row per run, to choose from, to print and to export."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from operator import ge, gt, le, lt
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from harness.analysis import repeats
from harness.analysis.columns import COLUMNS, PREFIXES
from harness.analysis.groups import groups
from harness.presentation import speedtable
from harness.presentation.styles import STATUS_STYLES
from harness.records.run import Record
from harness.records.store import Found
from harness.text import markdown_escape, number, printable, score_text
from tasks.registry import nearest

Format = Literal["text", "markdown", "csv", "parquet"]


DEFAULT_COLUMNS = [
    "task", "cell", "backend", "variant", "tier", "status", "score_name", "score", "solved",
    "train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s",
]  # fmt: skip


SUMMARY_COLUMNS = [
    "task", "cell", "contender", "runs", "solved_runs", "noisy_runs", "score_name", "score_mean", "score_low",
    "score_high", "train_seq_s_median", "train_seq_s_low", "train_seq_s_high",
]  # fmt: skip


#: Headings for people, where the column's name is long.
_HEADINGS = {
    "train_seq_s": "train seq/s",
    "step_ms": "step ms",
    "compile_s": "compile s",
    "host_growth_mib": "growth MiB",
    "train_s": "train s",
    "energy_j": "J",
    "joules_per_1000_sequences": "J per 1000 seq",
    "device_idle_share": "idle share",
}
#: What a GPU took: shown where any run has it.
ENERGY_COLUMNS = ["energy_j", "joules_per_1000_sequences", "device_idle_share"]


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per record, one column per scalar; missing values where nothing was measured."""
    records = list(records)
    columns: dict[str, Any] = {
        name: pd.Series([column.get(record) for record in records], dtype=column.kind)
        for name, column in COLUMNS.items()
    }
    for prefix, (_, get) in PREFIXES.items():
        found = [get(record) for record in records]
        for name in dict.fromkeys(name for values in found for name in values):
            columns[f"{prefix}{name}"] = _series([values.get(name) for values in found])
    return pd.DataFrame(columns)


def _series(values: list[Any]) -> pd.Series[Any]:
    """A column of the values' own type; of text where tasks disagree about it."""
    types = {type(value) for value in values if value is not None}
    kinds = {bool: "boolean", int: "Int64", float: "float64", str: "string"}
    kind = kinds[types.pop()] if len(types) == 1 else "float64" if types <= {int, float} else "string"
    if kind == "string":
        values = [value if value is None else str(value) for value in values]
    return pd.Series(values, dtype=kind)


_CONDITION = re.compile(r"\s*([^<>=!\s]+)\s*(>=|<=|!=|==|=|>|<)(.*)", re.DOTALL)


_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}


def select(
    table: pd.DataFrame, columns: Sequence[str] = (), sort: Sequence[str] = (), where: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows that meet every condition, in order, with the columns asked for.

    Args:
        table: from ``frame``.
        columns: names; none for the default ones, those of a GPU's energy where one was measured, and ``reason`` where
            a row is not ok.
        sort: names, the first one deciding first; a leading minus for descending. Missing values last.
        where: conditions such as "backend=torch", "steps>=100", "cell!=rnn", or "reason=" for missing.

    Raises:
        ValueError: an unknown column (with the nearest one), or a condition that is none.
    """
    kept = [True] * len(table)
    for condition in where:
        kept = [a and b for a, b in zip(kept, _meets(table, condition), strict=True)]
    chosen = table[pd.Series(kept, index=table.index, dtype=bool)]
    for word in reversed(sort):  # a stable sort by the last column first
        chosen = _sorted(chosen, word.removeprefix("-"), descending=word.startswith("-"))
    if not columns:
        measured = [name for name in ENERGY_COLUMNS if chosen[name].notna().any()]
        columns = [*DEFAULT_COLUMNS, *measured, *(["reason"] if (chosen["status"] != "ok").any() else [])]
    return chosen[[_known(table, name) for name in columns]].reset_index(drop=True)


def _known(table: pd.DataFrame, name: str) -> str:
    if name not in table.columns:
        raise ValueError(nearest("column", name, list(table.columns)))
    return name


def _sorted(table: pd.DataFrame, name: str, descending: bool) -> pd.DataFrame:
    values = table[_known(table, name)].tolist()
    there = [i for i, value in enumerate(values) if not pd.isna(value)]
    missing = [i for i, value in enumerate(values) if pd.isna(value)]
    return table.iloc[sorted(there, key=values.__getitem__, reverse=descending) + missing]


def _meets(table: pd.DataFrame, condition: str) -> list[bool]:
    match = _CONDITION.fullmatch(condition)
    if not match:
        raise ValueError(f"not a condition: {condition!r}; write for example backend=torch, steps>=100 or cell!=rnn")
    name, operator, text = match.group(1), match.group(2), match.group(3).strip()
    column = table[_known(table, name)]
    convert = _converter(name, column)
    values = [None if pd.isna(value) else value for value in column.tolist()]
    if operator in _ORDERINGS:
        compare, level = _ORDERINGS[operator], convert(text)
        return [value is not None and compare(_comparable(value), level) for value in values]
    wanted = None if text == "" else convert(text)
    same = [value is None if wanted is None else value is not None and _comparable(value) == wanted for value in values]
    return [not yes for yes in same] if operator == "!=" else same


def _comparable(value: Any) -> Any:
    """A time compares as its ISO text, so that "created>=2026-11" is a condition."""
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def _converter(name: str, column: pd.Series[Any]) -> Callable[[str], Any]:
    """How a condition's text becomes a value of the column's type."""

    def number(text: str) -> float:
        try:
            return int(text)  # exact where a float is not: seeds go to 2**63
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"column {name!r} holds numbers, and {text!r} is none") from None

    def truth(text: str) -> bool:
        if text.lower() not in ("true", "yes", "false", "no"):
            raise ValueError(f"column {name!r} holds true or false, and {text!r} is neither")
        return text.lower() in ("true", "yes")

    if pd.api.types.is_bool_dtype(column.dtype):
        return truth
    return number if pd.api.types.is_numeric_dtype(column.dtype) else str


def cell_text(name: str, value: Any) -> str:
    """One cell for people."""
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in ("score", "baseline") or name.startswith(("score.", "baseline.")):
        return score_text(value)
    if name in ("seed", "P.seed"):
        return str(value)
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return number(value) if isinstance(value, int | float) else printable(str(value))


def _for_people(table: pd.DataFrame) -> dict[str, tuple[list[str], bool]]:
    """Heading to cells and whether they align right; a score's name stands before its value."""
    shown: dict[str, tuple[list[str], bool]] = {}
    names = list(table.columns)
    for name in names:
        cells = [cell_text(name, value) for value in table[name].tolist()]
        dtype = table[name].dtype
        if name == "score" and "score_name" in shown:
            joined = [f"{word} {value}".strip() for word, value in zip(shown.pop("score_name")[0], cells, strict=True)]
            shown["score"] = joined, False
        else:
            numeric = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
            shown[_HEADINGS.get(name, name)] = cells, numeric
    return shown


def render(
    found: Found,
    columns: Sequence[str],
    sort: Sequence[str],
    where: Sequence[str],
    form: str | None,
    out: Path | None,
    summary: bool = False,
) -> str | None:
    """What ``harness table`` says of these records: returned, or written to ``out``.

    Runs are one table; speed contests follow, a table each. Where columns are chosen or the form is
    for machines there is one table, of the runs; of the contestants where there are no runs.

    Raises:
        ValueError: as ``select`` and ``write``.
    """
    form = format_named(form, out)
    machine = form in ("csv", "parquet")
    everything: pd.DataFrame | None
    if summary:
        repeated = repeats.frame(found.records)
        names = columns or list(repeated.columns if machine or repeated.empty else SUMMARY_COLUMNS)
        return write(select(repeated, names, sort, where), form, out)
    if found.records:
        everything = frame(found.records)
        columns = columns or (list(everything.columns) if machine else [])
    elif machine or columns or sort or where:
        everything = speedtable.frame(found.speeds)
        columns = columns or list(everything.columns if machine else speedtable.DEFAULT_COLUMNS)
    else:
        everything = None
    chosen = None if everything is None else select(everything, columns, sort, where)
    if chosen is not None and (machine or columns or sort or where or not found.speeds):
        return write(chosen, form, out)
    runs = [] if chosen is None else [_as_text(chosen, form)]
    return _kept(
        "\n".join([*runs, *(speedtable.text(record, _STYLES[_known_form(form)]) for record in found.speeds)]), out
    )


def format_named(form: str | None, out: Path | None) -> str:
    """The format asked for, else the one of the file's ending, else text."""
    endings = {".md": "markdown", ".csv": "csv", ".parquet": "parquet"}
    return form or endings.get(out.suffix if out else "", "text")


def write(table: pd.DataFrame, form: str, out: Path | None = None) -> str | None:
    """The table as text, Markdown, CSV or Parquet: returned, or written to ``out``.

    Text and Markdown round numbers for people; CSV and Parquet hold them as they are.

    Raises:
        ValueError: an unknown format; Parquet without a file or without pyarrow.
    """
    if form == "parquet":
        if out is None:
            raise ValueError("parquet is no text: name a file with --out")
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            table.to_parquet(out, index=False, engine="pyarrow")
        except ImportError:
            raise ValueError("parquet needs pyarrow: pip install pyarrow") from None
        return None
    return _kept(_as_text(table, form), out)


#: What ``tabulate`` calls them.
_STYLES = {"text": "simple", "markdown": "github"}


def _known_form(form: str) -> str:
    if form not in _STYLES:
        raise ValueError(nearest("format", form, ["text", "markdown", "csv", "parquet"]))
    return form


def _as_text(table: pd.DataFrame, form: str) -> str:
    if form == "csv":
        return table.to_csv(index=False, lineterminator="\n")
    return _aligned(table, _STYLES[_known_form(form)])


def _kept(text: str, out: Path | None) -> str | None:
    """``text``, or None once it is written to ``out``."""
    if out is None:
        return text
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8", newline="")
    return None


def _aligned(table: pd.DataFrame, style: str) -> str:
    shown = _for_people(table)
    escape = markdown_escape if style == "github" else str
    rows = [[escape(cell) for cell in row] for row in zip(*(cells for cells, _ in shown.values()), strict=True)]
    headers = [escape(heading) for heading in shown]
    alignment = ["right" if right else "left" for _, right in shown.values()]
    drawn: str = tabulate(rows, headers, tablefmt=style, disable_numparse=True, colalign=alignment if rows else None)
    return drawn + "\n"


def rich_table(records: Iterable[Record]) -> Table:
    """The records in 120 columns of terminal, grouped by what may be compared."""
    records = list(records)
    found = groups(records)
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    varies = any(len(group.settings(record)) for group in found for record in group.records)
    for heading in ("task", "cell", "backend", "variant", "tier", *(["setting"] if varies else []), "status"):
        table.add_column(heading, no_wrap=heading not in ("variant", "setting"), overflow="fold")
    table.add_column("score", overflow="fold", min_width=9)
    table.add_column("solved")
    for heading in ("train\nseq/s", "step\nms", "compile\ns", "growth\nMiB", "train\ns"):
        table.add_column(heading, justify="right", no_wrap=True)
    measured = [name for name in ENERGY_COLUMNS if any(COLUMNS[name].get(record) is not None for record in records)]
    for name in measured:
        table.add_column(_HEADINGS[name].replace(" per ", "\nper "), justify="right")
    for group in found:
        for i, (row, record) in enumerate(zip(group.rows, group.records, strict=True)):
            score = f"{row['score_name']} {score_text(row['score'])}" if row["score"] is not None else ""
            solved = "" if row["solved"] is None else "yes" if row["solved"] else "no"
            table.add_row(
                Text(_folded(printable(group.title), 12) if i == 0 else "", style="bold"),
                Text(_folded(row["cell"], 10)),
                *(Text(printable(str(row[name]))) for name in ("backend", "variant")),
                Text(row["tier"] or ""),
                *([Text(group.settings(record))] if varies else []),
                Text(record.status, style=STATUS_STYLES[record.status]),
                Text(score),
                Text(solved, style="green" if solved == "yes" else ""),
                *(
                    "" if row[name] is None else number(row[name])
                    for name in ("train_seq_s", "step_ms", "compile_s", "host_growth_mib", "train_s", *measured)
                ),
            )
        table.add_section()
    return table


def _folded(text: str, width: int) -> str:
    """Text in lines of ``width``, broken at blanks and hyphens."""
    return "\n".join(textwrap.wrap(text, width)[:4])
