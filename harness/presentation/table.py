"""What a table is: columns, rows of words, notes. How it looks anywhere is in ``harness.presentation.renderers``.

A column is stated once, for every rendering: what it is called, what it says, where its value is found in whatever a
row is about (a record, a contestant, a judgement), and how that value is written for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args

from harness.text import harmless, number, printable

Kind = Literal["string", "Int64", "float64", "boolean", "datetime64[us, UTC]"]
NUMBERS: tuple[Kind, ...] = ("Int64", "float64")
#: How tight a terminal's table is: many columns of figures, columns of sentences, or framed lists.
Layout = Literal["dense", "airy", "framed"]
#: What stands before the fraction of a number for people.
Decimal = Literal[".", ","]
_COMMA = str.maketrans(".,", ",.")
#: A figure as ``words`` writes it, but no part of a name such as within_0.04.
_FIGURE = re.compile(r"(?<![\w.])\d[\d,]*(\.\d+)?")
Item = TypeVar("Item")
Whole = TypeVar("Whole")


def words(value: Any) -> str:
    """A value for people; nothing for a missing one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return number(value) if isinstance(value, int | float) else printable(str(value))


def unstyled(item: Any) -> str:
    """Neither style nor link."""
    return ""


def decimal_mark(text: str) -> Decimal:
    """``text``, if it is one. Raises ValueError."""
    for mark in get_args(Decimal):
        if text == mark:
            return mark  # type: ignore[no-any-return]
    raise ValueError(f"--decimal takes . or a comma, not {text[:40]!r}")


class Cell(NamedTuple):
    """Words, the style in which a terminal shows them, such as "red", and in a site the page that they lead to."""

    text: str
    style: str = ""
    link: str = ""


def _of_part(of_item: Callable[[Any], Any], part: Callable[[Any], Any], whole: Any) -> Any:
    return of_item(part(whole))


@dataclass(frozen=True)
class Column(Generic[Item]):
    """One column of a table about items.

    Attributes:
        name: what commands and data files call it.
        get: its value for an item; None where there is none.
        about: what it says, in one line.
        kind: type of its values in data files.
        heading: for people; a line break shows where a narrow column's heading breaks. The name, unless given.
        write: how a value is written for people.
        words_of: how an item's cell is written, where that takes more than the value.
        style: of an item's cell.
        link: the page of a site that an item's cell leads to.
        right: whether it is aligned right; as its kind says, unless given.
        whole: a terminal does not break its lines.
        prose: it holds sentences: a page may break them, and a narrow terminal shows them below the row.
        exported: whether data files have it.
    """

    name: str
    get: Callable[[Item], Any]
    about: str = ""
    kind: Kind = "string"
    heading: str = ""
    write: Callable[[Any], str] = words
    words_of: Callable[[Item], str] | None = None
    style: Callable[[Item], str] = unstyled
    link: Callable[[Item], str] = unstyled
    right: bool | None = None
    whole: bool = False
    prose: bool = False
    exported: bool = True

    @property
    def title(self) -> str:
        """The heading on one line."""
        return (self.heading or self.name).replace("\n", " ")

    @property
    def numeric(self) -> bool:
        """Whether it is aligned right."""
        return self.kind in NUMBERS if self.right is None else self.right

    def within(self, part: Callable[[Whole], Item]) -> Column[Whole]:
        """The same column of things that have an item as a part."""
        fields: dict[str, Any] = dict(vars(self))
        for name in ("get", "words_of", "style", "link"):
            if (of_item := fields[name]) is not None:
                fields[name] = partial(_of_part, of_item, part)
        return Column(**fields)

    def cell(self, item: Item) -> Cell:
        """What people see of an item. However it is written, it controls neither a terminal nor a page."""
        text = self.words_of(item) if self.words_of else self.words(self.get(item))
        return Cell(harmless(text, keep="\n"), self.style(item), self.link(item))

    def words(self, value: Any) -> str:
        """A value for people; nothing for a missing one."""
        return "" if value is None else self.write(value)


@dataclass(frozen=True)
class Table:
    """Rows of words under columns, whatever they are about.

    Attributes:
        groups: of rows; a terminal draws a line between them.
        title: above it.
        about: what all rows share, below the title.
        notes: lines below.
        leaving: names of the columns that leave first where a terminal has no room for all, in that order.
    """

    columns: Sequence[Column[Any]]
    groups: Sequence[Sequence[Sequence[Cell]]]
    title: str = ""
    about: str = ""
    notes: Sequence[Cell] = field(default=())
    layout: Layout = "dense"
    leaving: Sequence[str] = ()

    @classmethod
    def of(cls, columns: Sequence[Column[Item]], *groups: Iterable[Item], **about: Any) -> Table:
        """The table of these items, in groups; ``about`` gives the fields beside columns and groups."""
        return cls(
            columns, [[[column.cell(item) for column in columns] for item in group] for group in groups], **about
        )

    @property
    def rows(self) -> list[Sequence[Cell]]:
        """All rows, whatever their group."""
        return [row for group in self.groups for row in group]

    @property
    def headings(self) -> list[str]:
        """Of the columns, each on one line."""
        return [column.title for column in self.columns]

    def texts(self) -> list[list[str]]:
        """The rows without their styles."""
        return [[cell.text for cell in row] for row in self.rows]

    def with_decimal(self, mark: Decimal) -> Table:
        """The same table with that decimal mark in the columns of figures; the other mark separates thousands."""
        if mark == ".":
            return self
        figures = [column.numeric or column.kind in NUMBERS for column in self.columns]
        groups = [
            [
                [_with_comma(cell) if figure else cell for cell, figure in zip(row, figures, strict=True)]
                for row in group
            ]
            for group in self.groups
        ]
        return replace(self, groups=groups)


def _with_comma(cell: Cell) -> Cell:
    return cell._replace(text=_FIGURE.sub(lambda found: found[0].translate(_COMMA), cell.text))
