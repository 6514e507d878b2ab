"""``harness pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, fail, print_lines, tell


def pack(
    place: Annotated[
        Path, typer.Argument(help="Folder of records; with --unpack, a pack.", show_default=str(DEFAULT_RESULTS))
    ] = DEFAULT_RESULTS,
    unpack: Annotated[bool, typer.Option("--unpack", help="Make the folder again, with the same bytes.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; with --unpack, folder.", show_default="beside it, by its name"),
    ] = None,
) -> None:
    """Put a folder's records into one compressed file, which every command reads as it reads the folder."""
    from harness.errors import UsageError
    from harness.text import counted
    from harness.workflows import pack as packing

    try:
        made = packing.unpack(place, out) if unpack else packing.pack(place, out)
    except UsageError as error:
        fail(error)
    for note in made.notes:
        tell(note)
    print_lines([f"{made.path}: {counted(made.records, 'record')}"])
