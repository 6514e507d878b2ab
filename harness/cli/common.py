"""What the commands share: exit status, options, one line where something is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from harness.records.store import Found

OK, NOT_OK, USAGE = 0, 1, 2
DEFAULT_RESULTS = Path("results/local")

Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of records, or single records.  [default: results/local]", show_default=False),
]
RecordFile = Annotated[Path, typer.Argument(help="A record's file.")]
DataFolder = Annotated[Path | None, typer.Option(help="Folder that holds mnist/.", envvar="HARNESS_DATA")]
Bidirectional = Annotated[bool, typer.Option("--bidirectional", help="Read the sequence both ways.")]
OptimizerWord = Annotated[str | None, typer.Option(help="adam, rmsprop or sgd.")]
PrecisionWord = Annotated[str | None, typer.Option(help="float32 (IEEE), float64, tf32 (CUDA) or bfloat16.")]
DenormalsWord = Annotated[str | None, typer.Option(help="flush or keep.")]
Deterministic = Annotated[
    bool | None,
    typer.Option("--deterministic/--no-deterministic", help="Ask for deterministic kernels.  [default: yes]"),
]


def fail(message: object, status: int = USAGE) -> NoReturn:
    """One line on standard error, and out."""
    typer.echo(f"harness: {message}", err=True)
    raise typer.Exit(status)


def look_for_data_in(folder: Path | None) -> None:
    """Put ``--data`` where this process and its workers look for it."""
    if folder is not None:
        os.environ["HARNESS_DATA"] = str(folder.expanduser().resolve())


def read_records(places: list[Path] | None) -> Found:
    """Records from the places named; what is no record is told on standard error, and skipped."""
    from harness.records.store import read_all

    found = read_all(places or [DEFAULT_RESULTS])
    for problem in found.problems:
        typer.echo(f"harness: skipped {problem}", err=True)
    if not found.records and not found.speeds:
        where = ", ".join(map(str, places or [DEFAULT_RESULTS]))
        fail(f"no records in {where}; make some with: harness run", NOT_OK)
    return found


def print_table(shown: Any) -> None:
    """As wide as the terminal, or wide enough for a file."""
    from harness.presentation import screen

    screen.show(shown, width=140)
