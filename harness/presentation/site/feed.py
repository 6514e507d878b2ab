"""The Atom feed of new records (RFC 4287)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Final

from harness.presentation import pages
from harness.presentation.site.frame import Site, page_of
from harness.presentation.site.records import entries

#: Records in the feed, the newest first.
NEWEST: Final = 50


def write(site: Site) -> None:
    """Write ``feed.xml``. It has no moment of its own: the same records give the same bytes."""
    shown = [
        {
            "seal": each["seal"], "address": page_of(each["seal"]), "id": each["id"],
            "created": each["created"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "title": ": ".join(filter(None, [each["name"], each["status"]])),
        }
        for each in entries(site)[-NEWEST:][::-1]
    ]  # fmt: skip
    updated = shown[0]["created"] if shown else datetime(1970, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"title": site.title, "id": hashlib.sha256(site.title.encode()).hexdigest(), "updated": updated}
    site.write("feed.xml", pages.html().get_template("site/feed.xml.j2").render(about, entries=shown))
