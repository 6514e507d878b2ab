"""Shared by the commands: failing with one line, folders of records as arguments, printing tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harness.errors import NOT_OK, OK, USAGE, UsageError
from harness.specs.options import DEFAULT_RESULTS, LONGEST_AGAIN_S, LONGEST_ALL_S
from harness.text import harmless

if TYPE_CHECKING:
    from harness.records.store import Found

__all__ = ["DEFAULT_RESULTS", "LONGEST_AGAIN_S", "LONGEST_ALL_S", "NOT_OK", "OK", "USAGE"]

Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of records, or single records.", show_default=str(DEFAULT_RESULTS)),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Draw only what has these words in its heading. Repeatable.",
        show_default="everything, or of more than 30 sets the largest",
        metavar="WORDS",
    ),
]
RecordFile = Annotated[Path, typer.Argument(help="A record's file.")]


def tell(message: object) -> None:
    """Print one line on standard error: no name of a file, or of a field in it, makes another of its own."""
    typer.echo(f"harness: {harmless(str(message), keep='')}", err=True)


def print_lines(lines: Iterable[object]) -> None:
    """Print each on a line of its own on standard output: nothing that a record brings makes another."""
    typer.echo("\n".join(harmless(str(line), keep="") for line in lines))


def fail(message: object, status: int = USAGE) -> NoReturn:
    """Print one line on standard error and end the command."""
    tell(message)
    raise typer.Exit(status)


def look_for_data_in(folder: Path | None) -> None:
    """Make this process and its workers look for data sets in ``--data``."""
    from harness.specs.data import look_for_data_in as look

    try:
        look(folder)
    except UsageError as error:
        fail(error)


def read_records(places: list[Path] | None, whole: bool = False, judged: bool = False) -> Found:
    """The records in these folders and files. Files that hold none are named on standard error and skipped.

    Args:
        whole: each is read as it is; else runs come from the index, as far as they are in it.
        judged: verdicts alone are enough, on records or on claims.
    """
    from harness.presentation.folders import read_all
    from harness.records import store

    found = (store.read_all if whole else read_all)(places or [DEFAULT_RESULTS])
    for note in found.notes:
        tell(note)
    for problem in found.problems:
        tell(f"skipped {problem}")
    if not (found.records or found.speeds or (judged and (found.verdicts or found.claims))):
        where = ", ".join(map(str, places or [DEFAULT_RESULTS]))
        fail(f"no records in {where}; make some with: harness run", NOT_OK)
    return found


def print_table(shown: Any) -> None:
    """Print a table as wide as the terminal, or 140 columns wide where there is none."""
    from harness.presentation import screen

    screen.show(shown, width=140)
