"""Badges: a small SVG about a record or a claim, to be shown on other pages."""

from __future__ import annotations

from typing import Final

from harness.presentation import pages
from harness.presentation.site.frame import Frame
from harness.text import printable

#: Behind white words; each has a contrast of at least 4.5 to them.
GOOD, BAD, NEUTRAL = "#1a7f37", "#b42318", "#57606a"
#: Pixels that a character takes on average, at the size of the words; the picture stretches them to fit.
_CHARACTER: Final = 6.6
_MARGIN: Final = 7
#: Characters of either half.
LONGEST: Final = 120


def address(name: str) -> str:
    """Where the badge of a record's digest, or of a claim, is."""
    return f"badges/{name}.svg"


def write(frame: Frame, name: str, left: str, right: str, colour: str = GOOD) -> str:
    """Write a badge; its address.

    Args:
        name: a record's digest or a claim's id.
        left, right: the words of both halves.
        colour: of the right half.
    """
    halves = [_shortened(left), _shortened(right)]
    widths = [round(_CHARACTER * len(half) + 2 * _MARGIN) for half in halves]
    content = {"left": halves[0], "right": halves[1], "widths": widths, "margin": _MARGIN, "colour": colour}
    frame.write(address(name), pages.html().get_template("site/badge.svg.j2").render(content))
    return address(name)


def _shortened(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
