"""``harness site``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, Folders, fail, print_lines, read_records, tell


def site(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the site; one made before is replaced.")] = DEFAULT_RESULTS
    / "site",
    title: Annotated[str, typer.Option(help="Its heading.")] = "Recurrent networks, measured",
    figures: Annotated[bool, typer.Option(help="Also every figure as SVG and PDF, for papers.")] = True,
) -> None:
    """Published results as a site of static pages: answers, tables, charts, and a page per record."""
    from harness.errors import UsageError
    from harness.presentation import site as sites

    found = read_records(places, judged=True)
    try:
        front = sites.write(found, out, title, tell, figures)
    except UsageError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    print_lines([front])
