"""What all figures share: the look, the page, the words on it.

Figures are built through matplotlib's ``Figure``, not pyplot: no state is shared and no display is needed.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.text import number, printable

#: Okabe & Ito's colours, told apart with any colour vision; one for each built-in backend.
COLOURS = {"numpy": "#0072B2", "torch": "#D55E00", "tensorflow": "#E69F00", "jax": "#009E73"}
FURTHER_COLOURS = ("#CC79A7", "#56B4E9", "#000000", "#8C6D31")
WIDTH = 9.0
PANELS_PER_FIGURE = 6
NOTES_SHOWN = 6
Panel = TypeVar("Panel")
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9.5, "axes.titlesize": 10.5, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#e3e3e3", "grid.linewidth": 0.7, "legend.frameon": False, "legend.fontsize": 8.5,
    "svg.hashsalt": "harness", "svg.fonttype": "path", "savefig.dpi": 144,
    "lines.scale_dashes": False, "lines.dash_capstyle": "butt",
    "text.parse_math": False,  # a dollar sign in a record is a dollar sign
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A figure with its name, which is a file name's stem, and what it shows in words."""

    name: str
    title: str
    about: str
    figure: Figure

    def save(self, path: Path) -> Path:
        """Write as the kind that ``path``'s suffix says: .png or .svg, without date or version."""
        metadata: dict[str, Any] = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}[path.suffix]
        with style.context(["default", STYLE]):
            self.figure.savefig(path, metadata=metadata)
        return path


def save(drawings: Iterable[Drawn], out: Path) -> list[Path]:
    """Write each figure into the folder ``out``, as PNG and as SVG."""
    out.mkdir(parents=True, exist_ok=True)
    return [drawn.save(out / f"{drawn.name}{suffix}") for drawn in drawings for suffix in (".png", ".svg")]


def new_figure(heights: Sequence[float], notes: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per height (inches), and notes at its foot."""
    extra = 0.75 + 0.16 * len(notes)
    figure = Figure(figsize=(WIDTH, sum(heights) + extra), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=list(heights))
    if notes:
        figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=7.5, color="#555555")
    return figure, list(axes[:, 0])


def legend(figure: Figure, title: str, handles: list[Any], columns: int = 6) -> None:
    """The title, and below it what the looks mean: one legend, so that neither covers the other."""
    if not handles:
        figure.suptitle(legible(title, 90), x=0.01, ha="left", fontsize=12, fontweight="bold")
        return
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, handlelength=2.6, alignment="left",
        title=legible(title, 90), title_fontproperties={"size": 12, "weight": "bold"}, borderpad=0,
    )  # fmt: skip


def pages(panels: Sequence[Panel]) -> list[Sequence[Panel]]:
    """Panels figure by figure."""
    return [panels[start : start + PANELS_PER_FIGURE] for start in range(0, len(panels), PANELS_PER_FIGURE)]


def named_notes(heading: str, lines: Iterable[str]) -> list[str]:
    """Notes for the foot of a figure: what it leaves out, one line each, and how many more there are."""
    different = list(dict.fromkeys(legible(line, 125) for line in lines))
    more = [f"and {len(different) - NOTES_SHOWN} more"] if len(different) > NOTES_SHOWN else []
    return [heading, *(f"  {line}" for line in different[:NOTES_SHOWN]), *more] if different else []


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
    """One line of at most ``width`` characters that the font has."""
    line = "".join(c if ord(c) in _glyphs() else "?" for c in printable(text))
    return textwrap.shorten(line, width, placeholder=" …") if " " in line[:width] else line[:width]
