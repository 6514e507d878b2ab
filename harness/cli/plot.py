"""``harness plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, Folders, Only, fail, print_lines, read_records, tell


def plot(
    places: Folders = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = DEFAULT_RESULTS / "plots",
    only: Only = None,
) -> None:
    """Learning curves, throughput, memory, score against time; scaling, ratios, rooflines. PNG and SVG."""
    from itertools import chain

    from harness.analysis.groups import groups
    from harness.errors import UsageError
    from harness.presentation import contest_figures, report, run_figures
    from harness.presentation.figure import save
    from harness.presentation.folders import prepared

    found, words = read_records(places), only or []
    try:
        with prepared(found, report.REPORTED):
            comparable = groups(found.records)
            for sentence in report.not_drawn(found, words, comparable):
                tell(sentence)
            runs = run_figures.figures(found.records, words, comparable)
            drawn = save(chain(runs, contest_figures.figures(found.speeds, words)), out)
    except UsageError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror}")
    print_lines(drawn)
