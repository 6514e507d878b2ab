"""What all pages of the site share: the frame around them, their addresses, and how they are written.

Addresses are paths below the site's folder, such as ``records/<digest>.html``. Every link is relative, so that the
site works from a file system and from any folder of any web server. What scripts need lies in ``data/``, as classic
scripts that assign to ``harnessSite``: pages opened from a file system can neither fetch nor import.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from markupsafe import Markup

from harness.errors import UsageError
from harness.presentation import pages
from harness.presentation.site.charts import Chart, library
from harness.records.listing import SITE
from harness.records.store import Found
from harness.records.whole import whole_folder

#: The content security policy of every page: nothing from elsewhere, no script or style but the site's own files.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
#: What a page that draws charts loads.
CHARTS: Final = ("static/vega.js", "static/charts.js")
Made = TypeVar("Made")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


class Entry(NamedTuple):
    """Of the navigation: where it leads, and its words."""

    address: str
    words: str


@dataclass(frozen=True)
class Frame:
    """How a page is made. It knows no records, so that other processes can have one too.

    Attributes:
        folder: into which all is written.
        title: of the site.
        navigation: what every page links to, in order.
    """

    folder: Path
    title: str
    navigation: Sequence[Entry] = ()

    def page(
        self,
        address: str,
        template: str,
        title: str,
        charts: Sequence[Chart] = (),
        scripts: Sequence[str] = (),
        **content: Any,
    ) -> None:
        """Write a page.

        Args:
            address: where, such as "machines/a.html".
            template: of ``templates/site/``, without ending, which extends ``base``.
            title: its heading.
            charts: that it shows with ``{{ chart(…) }}``; where there are any, the scripts that draw them are loaded.
            scripts: addresses of further ones, which run in this order when the page has been read.
            content: what else the template is given; ``root`` and ``link`` are there already.
        """
        root = "../" * address.count("/")
        every = [*(CHARTS if charts else ()), *scripts]
        text = pages.html().get_template(f"site/{template}.html.j2").render(
            content | {
                "address": address, "title": title, "site_title": self.title, "policy": POLICY, "charts": charts,
                "navigation": self.navigation, "scripts": list(dict.fromkeys(every)), "root": Markup(root),
                "embedded": embedded,
            }
        )  # fmt: skip
        self.write(address, text)

    def data(self, name: str, value: Any) -> str:
        """Write ``data/<name>.js``, which assigns ``value`` to ``harnessSite.<name>``; its address.

        Args:
            name: a word of letters and digits.
            value: as JSON has it.
        """
        assert _NAME.fullmatch(name), name
        address = f"data/{name}.js"
        # the name is told twice, as the page's own script may come first or not
        text = (
            f'"use strict";\nwindow.harnessSite = window.harnessSite || {{}};\nharnessSite.{name} = {compact(value)};\n'
        )
        self.write(address, text)
        return address

    def write(self, address: str, content: str | bytes) -> None:
        """Write a file. The folder becomes the site when all is written: none of its files needs to be whole before."""
        target = self.folder / address
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass(frozen=True)
class Site(Frame):
    """A site while it is made: a frame, and the records that it is about.

    Attributes:
        found: from folders; runs come from the index where they can.
        notes: what the command should tell when the site is there.
    """

    found: Found = field(default_factory=Found)
    notes: list[str] = field(default_factory=list)
    _made: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What ``make`` gives, made at the first call with this name: what several kinds of pages need."""
        if name not in self._made:
            self._made[name] = make()
        found: Made = self._made[name]
        return found

    @property
    def seals(self) -> Mapping[str, str]:
        """By the ids of all records, the digests in their files, which are their addresses."""
        return self.found.seals

    @property
    def frame(self) -> Frame:
        """It without the records, for other processes."""
        return Frame(self.folder, self.title, self.navigation)


def compact(value: Any) -> str:
    """JSON without a blank, of which nothing ends a script or a page's comment, whatever a record brings."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for character in "<>&":  # only ever within texts
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def embedded(value: Any) -> Markup:
    """JSON for a data block in a page, which no policy counts as a script and no browser runs."""
    return Markup(compact(value))


def page_of(digest: str) -> str:
    """The address of a record's page."""
    return f"records/{digest}.html"


def slug(text: str, taken: Mapping[str, Any] | None = None) -> str:
    """A text as a part of an address: lower-case letters, digits and hyphens; with a number where it is taken."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:80] or "unnamed"
    found, number = base, 2
    while taken is not None and found in taken:
        found, number = f"{base}-{number}", number + 1
    return found


@contextmanager
def folder(out: Path) -> Iterator[Path]:
    """The folder in which a site is made, which becomes ``out`` if the block ends well.

    Raises:
        UsageError: ``out`` is a folder with something else in it, or a file.
        OSError: it cannot be written.
    """
    if out.exists() and not (out / SITE).is_file() and not (out.is_dir() and not any(out.iterdir())):
        what = "a folder with other things in it" if out.is_dir() else "not a folder"
        raise UsageError(f"--out {out}: {what}; name a new folder, an empty one, or a site made before")
    with whole_folder(out, SITE) as made:
        (made / SITE).write_text(
            "A site of records, made by harness site. Making it again replaces this folder with all that is in it.\n"
        )
        for name, content in static():
            target = made / "static" / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
        yield made


def static() -> Iterator[tuple[str, bytes]]:
    """The site's own styles and scripts, and the library that draws charts."""
    for each in sorted((files("harness.presentation") / "templates/site/static").iterdir(), key=lambda each: each.name):
        if each.is_file():
            yield each.name, each.read_bytes()
    yield "vega.js", library()
