"""How figures look: colours, fonts, ticks, and words that the font has."""

from __future__ import annotations

import textwrap
from functools import lru_cache

from matplotlib.axis import Axis
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.text import number, printable

#: The palette of Okabe and Ito, distinguishable with any colour vision; one colour per built-in backend.
COLOURS = {"numpy": "#0072B2", "torch": "#D55E00", "tensorflow": "#E69F00", "jax": "#009E73"}
FURTHER_COLOURS = ("#CC79A7", "#56B4E9", "#000000", "#8C6D31")
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9.5, "axes.titlesize": 10.5, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#e3e3e3", "grid.linewidth": 0.7, "legend.frameon": False, "legend.fontsize": 8.5,
    "svg.hashsalt": "harness", "svg.fonttype": "path", "pdf.fonttype": 42, "savefig.dpi": 144,
    "lines.scale_dashes": False, "lines.dash_capstyle": "butt",
    "text.parse_math": False,  # a dollar sign in a record is a dollar sign
}  # fmt: skip


def logarithmic(axis: Axis, fine: bool = True) -> None:
    """Ticks of a logarithmic axis: at 1, 2 and 5 of each decade, or where there are many decades at 1."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if fine else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(tick))


def colour_of(backend: str) -> str:
    """A backend's colour, always the same; further backends share four more by their names."""
    return COLOURS.get(backend) or FURTHER_COLOURS[sum(backend.encode()) % len(FURTHER_COLOURS)]


def tick(value: float, _position: int | None = None) -> str:
    """An axis tick's label."""
    return number(value) if value else "0"


@lru_cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def legible(text: str, width: int = 100) -> str:
    """The text as one line of at most ``width`` characters, those that the font lacks as question marks."""
    line = "".join(c if ord(c) in _glyphs() else "?" for c in printable(text))
    return textwrap.shorten(line, width, placeholder=" …") if " " in line[:width] else line[:width]
