"""The Atom feed of new records (RFC 4287)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from harness.presentation import pages
from harness.presentation.site.frame import Site, page_of

#: Records in the feed, the newest first.
NEWEST: Final = 50


def write(site: Site) -> None:
    """Write ``feed.xml``. It has no moment of its own: the same records give the same bytes."""
    index = site.found.index
    assert index is not None
    index.fetch(["created", "name", "status", "id"])
    columns = [index.columns[name] for name in ("created", "name", "status", "id")]
    entries = [
        {
            "seal": seal, "address": page_of(seal), "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "title": f"{name or 'speed contests'}: {status}", "id": identity,
        }
        for seal, created, name, status, identity in list(zip(index.seals, *columns, strict=True))[-NEWEST:][::-1]
    ]  # fmt: skip
    updated = entries[0]["created"] if entries else datetime(1970, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"title": site.title, "id": hashlib.sha256(site.title.encode()).hexdigest(), "updated": updated}
    site.write("feed.xml", pages.html().get_template("site/feed.xml.j2").render(about, entries=entries))
