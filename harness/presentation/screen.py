"""Printing for commands: as wide as the terminal; elsewhere at a fixed width, without trailing blanks."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.presentation.renderers import terminal
from harness.presentation.table import Table
from harness.text import harmless


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel; IPython on a terminal is none."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


class Screen(Console):
    """A console whose only styles are its own: what a text brings to control a terminal is replaced.

    In a notebook it is a file like any other, though its streams claim colours: rich would show all that it prints as
    an output of the cell.
    """

    def __init__(self, **settings: Any) -> None:
        notebook = {"force_terminal": False} if in_notebook() else {}
        super().__init__(**{"force_jupyter": False, **notebook, **settings})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of ``renderable``; rich's own control segments pass."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))


def show(*parts: Table | RenderableType, width: int | None = None) -> None:
    """Print the parts one below the other on standard output.

    Args:
        width: columns, where standard output is no terminal; None for what the environment says (``COLUMNS``), or 80.
    """
    console = Screen()
    if console.is_terminal:
        for part in parts:
            console.print(_printed(part))
        return
    print(drawn(*parts, width=width), end="")


def drawn(*parts: Table | RenderableType, width: int | None = None) -> str:
    """The parts as ``show`` prints them, without styles.

    Args:
        width: columns; None for those of the terminal, or what ``COLUMNS`` says, or 80.
    """
    text = StringIO()
    plain = Screen(file=text, width=width, force_terminal=False)  # whatever FORCE_COLOR says
    for part in parts:
        plain.print(_printed(part))
    return "\n".join(line.rstrip() for line in text.getvalue().split("\n"))


def _printed(part: Table | RenderableType) -> RenderableType:
    return terminal(part) if isinstance(part, Table) else part
