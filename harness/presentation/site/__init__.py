"""The site: published records as static pages that answer, compare and link, from a file system or any web server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from harness.presentation.site import (
    claims,
    compare,
    explore,
    feed,
    figures,
    front,
    history,
    machines,
    records,
    scaling,
    studies,
    trade_offs,
)
from harness.presentation.site.frame import Site, folder
from harness.records.store import Found

#: The kinds of pages, a module each, in the order of the navigation. Each has ``write(site)``; ``NAVIGATION``, entries
#: of the navigation; and where it has nothing to show for some records, ``wanted(found)``.
PARTS: tuple[ModuleType, ...] = (
    front,
    explore,
    compare,
    trade_offs,
    scaling,
    history,
    machines,
    studies,
    claims,
    figures,
    records,
    feed,
)


def write(
    found: Found,
    out: Path,
    title: str = "Recurrent networks, measured",
    tell: Callable[[str], None] = lambda line: None,
    drawn: bool = True,
) -> Path:
    """Write the site of these records into the folder ``out``, whole or not at all; the address of its front page.

    Args:
        found: from folders, with an index: see ``harness.presentation.folders.read_all``.
        title: of the site.
        tell: is told what could not be shown.
        drawn: whether there are figures for papers too, which take most of the time.

    Raises:
        UsageError: ``out`` holds something else, or a package that the site needs is not installed.
        OSError: it cannot be written; what was there before still is.
    """
    parts = [part for part in PARTS if not hasattr(part, "wanted") or part.wanted(found)]
    parts = [part for part in parts if drawn or part is not figures]
    navigation = [entry for part in parts for entry in getattr(part, "NAVIGATION", ())]
    with folder(out) as made:
        site = Site(made, title, navigation, found)
        for part in parts:
            part.write(site)
    for note in site.notes:
        tell(note)
    return out / "index.html"
