"""The front page."""

from __future__ import annotations

from harness.presentation.site.frame import Site


def write(site: Site) -> None:
    """Write ``index.html``."""
    assert site.found.index is not None
    site.page("index.html", "index", site.title, count=len(site.found.index))
