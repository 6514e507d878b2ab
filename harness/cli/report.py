"""``harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, Folders, fail, read_records


def report(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_RESULTS / "report",
    title: Annotated[str, typer.Option(help="Its heading.")] = "Recurrent networks, measured",
) -> None:
    """One page, as Markdown and as self-contained HTML, with tables and plots."""
    from harness.presentation import report as reports

    found = read_records(places)
    try:
        written = reports.write(found, out, title)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    typer.echo("\n".join(map(str, written)))
