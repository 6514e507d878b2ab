"""Printing for commands: as wide as the terminal; elsewhere at a fixed width, without trailing blanks."""

from __future__ import annotations

from io import StringIO

from rich.console import Console, RenderableType

from harness.presentation.renderers import terminal
from harness.presentation.table import Table


def show(*parts: Table | RenderableType, width: int | None = None) -> None:
    """Print the parts one below the other on standard output.

    Args:
        width: columns, where standard output is no terminal; None for what the environment says (``COLUMNS``), or 80.
    """
    printed = [terminal(part) if isinstance(part, Table) else part for part in parts]
    console = Console()
    if console.is_terminal:
        for part in printed:
            console.print(part)
        return
    text = StringIO()
    plain = Console(file=text, width=width)
    for part in printed:
        plain.print(part)
    print("\n".join(line.rstrip() for line in text.getvalue().split("\n")), end="")
