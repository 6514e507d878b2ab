"""One table of all runs and contestants, to filter, sort, group and compare; its state is in its address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from harness.presentation.site import rows
from harness.presentation.site.frame import Entry, Site

PAGE: Final = "explore.html"
NAVIGATION: Final = (Entry(PAGE, "Explore"),)
#: Its scripts, each of which needs those before it.
SCRIPTS: Final = ("static/page.js", "static/words.js", "static/export.js", "static/rows.js", "static/explore.js")


def address(where: str = "", ids: Iterable[str] = (), **state: str) -> str:
    """The address of a view of the table.

    Args:
        where: conditions, as in "task=adding cell=lstm".
        ids: of its only rows: see ``rows.key_of``; whole digests of records do too.
        state: ``sort``, ``columns`` (names, with commas between them), ``group``, ``page``.
    """
    said = {"where": where, "ids": ",".join(ids), **state}
    return f"{PAGE}#{urlencode({name: value for name, value in said.items() if value}, safe=',=-.')}"


def write(site: Site) -> None:
    """Write ``explore.html`` and the data that it shows."""
    data = rows.write(site, rows.rows(site.found))
    site.page(PAGE, "explore", "Explore", scripts=[*data, *SCRIPTS])
