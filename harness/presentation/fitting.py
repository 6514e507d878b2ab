"""A table in a terminal of any width: which columns there is room for, how wide each is, and what stands below.

No word is ever broken. Where there is no room for all, sentences move below their rows, each on a line of its own;
then columns leave in the order that the table states (``Table.leaving``), and at last from the right. What has left is
named below the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from harness.presentation.table import Column, Table

#: Narrower than this a column of sentences is a tower of words: they stand below their rows instead.
PROSE_LEAST = 20
_DENSE: dict[str, Any] = {"box": box.SIMPLE_HEAD, "padding": 0, "show_edge": False}
_LOOKS: dict[str, dict[str, Any]] = {"dense": _DENSE, "airy": {**_DENSE, "padding": (0, 1, 0, 0)}, "framed": {}}
#: Characters around each column, its border to the next included, and beyond those of all columns.
_AROUND: dict[str, tuple[int, int]] = {"dense": (1, -1), "airy": (2, -1), "framed": (3, 1)}


@dataclass(frozen=True)
class Fit:
    """Columns by their positions in the table.

    Attributes:
        widths: of those that are shown, in characters.
        below: those whose words stand below their row.
        left_out: those that there is no room for, in the order of the table.
    """

    widths: dict[int, int]
    below: Sequence[int]
    left_out: Sequence[int]


def fit(table: Table, width: int) -> Fit:
    """How the table fits into ``width`` characters."""
    each, beyond = _AROUND[table.layout]
    needs = [_needs(table, at) for at in range(len(table.columns))]
    shown = list(range(len(needs)))
    below: list[int] = []

    def room(positions: Sequence[int]) -> int:
        """Characters left once every column has what it needs; negative where some lack them."""
        return width - beyond - sum(needs[at][0] + each for at in positions)

    if room(shown) < 0:
        below = [at for at in shown if table.columns[at].prose and at > 0]
        shown = [at for at in shown if at not in below]
    leaving = _leaving(table, shown)
    while room(shown) < 0 and len(shown) > 1:
        shown.remove(next(leaving))
    spare, widths = max(room(shown), 0), {}
    for number, at in enumerate(sorted(shown, key=lambda at: needs[at][1] - needs[at][0])):
        least, most = needs[at]
        widths[at] = least + min(most - least, spare // (len(shown) - number))
        spare -= widths[at] - least
    left_out = [at for at in range(len(needs)) if at not in shown and at not in below]
    return Fit({at: widths[at] for at in shown}, below, left_out)


def _needs(table: Table, at: int) -> tuple[int, int]:
    """The fewest characters in which a column breaks no word, and the number that its longest line takes."""
    column = table.columns[at]
    texts = [column.heading or column.name, *(row[at].text for row in table.rows)]
    most = max((cell_len(line) for text in texts for line in text.split("\n")), default=0)
    longest_word = max((cell_len(word) for text in texts for word in text.split()), default=0)
    if column.prose:
        return max(longest_word, min(most, PROSE_LEAST)), most
    if column.whole or column.numeric:
        return most, most
    return longest_word, most


def _leaving(table: Table, shown: Sequence[int]) -> Iterator[int]:
    """Positions in the order in which columns leave."""
    by_name = {table.columns[at].name: at for at in shown}
    first = [by_name[name] for name in table.leaving if name in by_name]
    yield from first
    yield from (at for at in reversed(shown) if at not in first)


@dataclass(frozen=True)
class Fitted:
    """What rich prints of a table: as much of it as the console is wide."""

    table: Table
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        how = fit(self.table, options.max_width)
        yield from (
            _rows_with_lines_below(self.table, how, self.title)
            if how.below
            else [_grid(self.table, how, self.table.groups, title=self.title)]
        )
        if how.left_out:
            names = ", ".join(self.table.columns[at].title for at in how.left_out)
            yield Text(f"not shown in {options.max_width} columns: {names}", style="dim")


def _grid(table: Table, how: Fit, groups: Sequence[Sequence[Any]], **look: Any) -> RichTable:
    grid = RichTable(**{**_LOOKS[table.layout], **look})
    for at, width in how.widths.items():
        column = table.columns[at]
        grid.add_column(
            column.heading or column.name, justify="right" if column.numeric else "left", width=width, overflow="fold"
        )
    for group in groups:
        for row in group:
            grid.add_row(*(Text(row[at].text, style=row[at].style) for at in how.widths))
        grid.add_section()
    return grid


def _rows_with_lines_below(table: Table, how: Fit, title: str | None) -> Iterator[RenderableType]:
    """Row by row, since rich's tables have no lines across all columns; without a frame, which would be cut."""
    unframed = Table(table.columns, table.groups, layout="airy" if table.layout == "framed" else table.layout)
    if title:
        yield Text(title, style="italic")
    yield _grid(unframed, how, [])
    gap, _ = _AROUND[unframed.layout]
    alone: dict[str, Any] = {"show_header": False, "box": None, "padding": (0, gap, 0, 0), "pad_edge": False}
    for number, group in enumerate(table.groups):
        if number:
            yield Text()
        for row in group:
            yield _grid(unframed, how, [[row]], **alone)
            for at in how.below:
                if row[at].text:
                    yield Padding(Text(_line(table.columns[at], row[at].text), style=row[at].style), (0, 0, 0, 2))


def _line(column: Column[Any], words: str) -> str:
    return f"{column.title}: {' '.join(words.split())}"
