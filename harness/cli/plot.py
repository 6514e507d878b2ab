"""``harness plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, Folders, fail, read_records


def plot(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = DEFAULT_RESULTS / "plots",
) -> None:
    """Learning curves, throughput, memory, score against time; scaling, ratios, rooflines. PNG and SVG."""
    from itertools import chain

    from harness.presentation import contest_figures, run_figures
    from harness.presentation.figure import save

    found = read_records(places)
    try:
        drawn = save(chain(run_figures.figures(found.records), contest_figures.figures(found.speeds)), out)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    typer.echo("\n".join(map(str, drawn)))
