"""Pictures for papers: every figure as SVG and as PDF, each with its command and its records' ids inside."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from harness.presentation import contest_figures, report, run_figures
from harness.presentation.figure import Drawn
from harness.presentation.folders import prepared
from harness.presentation.site.frame import Entry, Site
from harness.text import printable

NAVIGATION: Final = (Entry("figures/index.html", "Figures"),)


def write(site: Site) -> None:
    """Draw the figures that a report has, and write the page that shows them."""
    shown = []
    with prepared(site.found, report.REPORTED):
        drawings = chain(run_figures.figures(site.found.records), contest_figures.figures(site.found.speeds))
        for drawn in drawings:
            shown.append(_files(site, drawn))
    about = [
        "Each picture is there as SVG and as PDF, with fonts in it, for a paper or a talk. Its metadata say which "
        "command draws it and from which records.",
        *report.not_drawn(site.found, ()),
    ]
    site.page("figures/index.html", "figures", "Figures", about=about, shown=shown)


def _files(site: Site, drawn: Drawn) -> dict[str, Any]:
    folder = site.folder / "figures"
    folder.mkdir(exist_ok=True)
    for form in ("svg", "pdf"):
        with (folder / f"{drawn.name}.{form}").open("wb") as file:
            drawn.write(file, form)
    return {
        "name": drawn.name, "title": printable(drawn.title), "about": printable(drawn.about),
        "command": drawn.command, "records": len(drawn.ids),
    }  # fmt: skip
