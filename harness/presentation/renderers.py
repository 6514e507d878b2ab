"""How a table looks: in a terminal, as plain text, as Markdown, as LaTeX, as HTML, and as data files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from harness.presentation.fitting import Fitted
from harness.presentation.table import Cell, Column, Decimal, Table
from harness.records.whole import whole
from harness.text import harmless, markdown_escape

if TYPE_CHECKING:
    import pandas as pd

Facts = Sequence[tuple[str, str]]
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?", re.IGNORECASE)


# -- terminal ---------------------------------------------------------------------------------------
def terminal(table: Table) -> RenderableType:
    """The table for a terminal. A dense one stands under its title, its notes below it, and a blank line at the end."""
    if table.layout != "dense":
        shown = Fitted(table, title=table.title or None)
        return Group(shown, *(Text(note.text, style=note.style) for note in table.notes)) if table.notes else shown
    parts: list[RenderableType] = []
    if table.title:
        parts += [Text(table.title, style="bold"), Text(table.about, style="dim")]
    if table.rows or not table.title:
        parts.append(Fitted(table))
    parts += [Text(note.text, style=note.style) for note in table.notes]
    return Group(*parts, *([Text()] if table.title else []))


def facts(heading: str, lines: Facts) -> Iterator[RenderableType]:
    """A heading and lines of name and value for a terminal; nothing where there are none."""
    if not lines:
        return
    yield Text(f"\n{heading}", style="bold")
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in lines:
        grid.add_row(Text(harmless(f"  {name}", keep="")), Text(harmless(value, keep="")))
    yield grid


# -- plain text and Markdown, aligned ---------------------------------------------------------------
def text(table: Table) -> str:
    """The table as aligned plain text, with title and notes where it has them."""
    return "\n\n".join(_parts(table, "simple"))


def markdown(table: Table) -> str:
    """The table as aligned Markdown, with title and notes where it has them; nothing in it is markup."""
    return "\n\n".join(_parts(table, "github"))


def latex(table: Table) -> str:
    """The table as LaTeX, for the package booktabs; title and notes are comments. Nothing in it is a command."""
    title = latex_comments([table.title, table.about] if table.title else [])
    rows = _tabulated(table.headings, table.texts(), table.columns, "latex_booktabs")
    return "\n".join([*title, rows, *latex_comments(note.text for note in table.notes)])


def latex_comments(lines: Iterable[str]) -> list[str]:
    """Each line as a comment of LaTeX."""
    return [f"% {harmless(line, keep='')}" for line in lines if line]


def _tabulated(headings: Sequence[str], rows: list[list[str]], columns: Sequence[Column[Any]], style: str) -> str:
    from tabulate import tabulate  # only a few commands need it

    alignment = ["right" if column.numeric else "left" for column in columns]
    written: str = tabulate(rows, headings, tablefmt=style, disable_numparse=True, colalign=alignment if rows else None)
    return written


def _parts(table: Table, style: str) -> Iterator[str]:
    in_markdown = style == "github"
    escaped = markdown_escape if in_markdown else str
    if table.title:
        yield f"{'## ' * in_markdown}{escaped(table.title)}"
        yield escaped(table.about)
    if table.rows or not table.title:
        rows = [[escaped(cell) for cell in row] for row in table.texts()]
        yield _tabulated([escaped(heading) for heading in table.headings], rows, table.columns, style)
    yield from (f"{'- ' * in_markdown}{escaped(note.text)}" for note in table.notes)


# -- pages ------------------------------------------------------------------------------------------
def page_markdown(table: Table) -> Markup:
    """The table alone for a Markdown page, not aligned; nothing in it is markup."""
    lines = [
        _piped(f" {markdown_escape(heading)} " for heading in table.headings),
        _piped("---:" if column.numeric else "---" for column in table.columns),
        *(_piped(f" {markdown_escape(cell)} " for cell in row) for row in table.texts()),
    ]
    return Markup("\n".join(lines))


def _piped(cells: Any) -> str:
    return f"|{'|'.join(cells)}|"


def page_html(table: Table, label: str, root: str = "") -> Markup:
    """The table alone for an HTML page, in a region that scrolls; nothing in it is markup.

    Args:
        label: what it shows, for screen readers.
        root: of a site, before the addresses of its pages.
    """
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_class("number" * column.numeric), column.title)
        for column in table.columns
    )
    rows = Markup("\n").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(_html_cell(*pair, root) for pair in zip(table.columns, row, strict=True))
        )
        for row in table.rows
    )
    return Markup(
        '<div class="scroll" role="region" tabindex="0" aria-label="{}">\n<table class="results">\n<thead>\n'
        "<tr>{}</tr>\n</thead>\n<tbody>\n{}\n</tbody>\n</table>\n</div>"
    ).format(label, head, rows)


def _html_cell(column: Column[Any], cell: Cell, root: str) -> Markup:
    kind = "number" if column.numeric else "yes" if cell.style == "green" else "long" if column.prose else ""
    words = Markup('<a href="{}{}">{}</a>').format(root, cell.link, cell.text) if cell.link else escape(cell.text)
    return Markup("<td{}>{}</td>").format(_class(kind), words)


def _class(name: str) -> Markup:
    return Markup(' class="{}"').format(name) if name else Markup("")


# -- data files -------------------------------------------------------------------------------------
def csv(data: pd.DataFrame, decimal: Decimal = ".") -> str:
    """The data as CSV, numbers not rounded; no text of it is a formula to a spreadsheet.

    Where the decimal mark is a comma, values are separated by semicolons, as spreadsheets there expect.
    """
    text = data.select_dtypes(exclude=["number", "bool", "datetime", "datetimetz"]).columns
    safe = data.assign(**{name: data[name].map(_no_formula, na_action="ignore") for name in text})
    return safe.rename(columns=_no_formula).to_csv(
        index=False, lineterminator="\n", decimal=decimal, sep=";" if decimal == "," else ","
    )


def _no_formula(value: Any) -> Any:
    """A text with an apostrophe in front where a spreadsheet would compute it; numbers written as text stay."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    return value if _NUMBER.fullmatch(value) else f"'{value}"


def parquet(data: pd.DataFrame, out: Path) -> None:
    """Write ``data`` with its types into the file ``out``. Raises ValueError without pyarrow."""
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole(out) as temporary:
            data.to_parquet(temporary, index=False, engine="pyarrow")
    except ImportError:
        raise ValueError("parquet needs pyarrow: pip install pyarrow") from None
