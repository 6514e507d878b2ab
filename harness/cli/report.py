"""``harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, Folders, Only, fail, print_lines, read_records, tell


def report(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = DEFAULT_RESULTS / "report",
    title: Annotated[str, typer.Option(help="Its heading.")] = "Recurrent networks, measured",
    only: Only = None,
    study: Annotated[str | None, typer.Option(help="Only the runs of this study.", show_default="all records")] = None,
) -> None:
    """One page, as Markdown and as self-contained HTML, with tables and plots."""
    from harness.errors import UsageError
    from harness.presentation import report as reports

    found, words = read_records(places), only or []
    try:
        found = found if study is None else reports.of_study(found, study)
        written = reports.write(found, out, title, words, tell)
    except UsageError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    print_lines(written)
