"""What all figures share: the page, its title, key and notes, and how it is saved.

Figures are built through matplotlib's ``Figure``, not pyplot: no state is shared and no display is needed.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, TypeVar

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.presentation.fold import FOLDED
from harness.presentation.look import STYLE, legible
from harness.records.whole import whole
from harness.text import printable

WIDTH = 9.0
PANELS_PER_FIGURE = 6
NOTES_SHOWN = 6
#: Sets of runs, and calls of ``harness speed``, that get figures unless some are asked for.
MOST_DRAWN = 30
#: The same of a folder of many runs: one page of panels. A figure takes as long as thousands of records.
MOST_DRAWN_OF_MANY = 6
#: Ids of records in a figure's metadata.
MOST_NAMED = 200
Panel = TypeVar("Panel")
Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Drawn:
    """A figure.

    Attributes:
        name: the stem of its file names.
        title, about: what it shows, in words.
        ids: of the records that it is drawn from.
        heading: what ``harness plot --only`` draws it by; empty where it is drawn from all records.
    """

    name: str
    title: str
    about: str
    figure: Figure
    ids: Sequence[str] = ()
    heading: str = ""

    @property
    def command(self) -> str:
        """What draws it again from a folder of its records."""
        return shlex.join(["harness", "plot", "FOLDER", *(["--only", self.heading] if self.heading else [])])

    def save(self, path: Path) -> Path:
        """Write whole, as the kind that ``path``'s suffix says: .png, .svg or .pdf, without date or version."""
        with whole(path) as temporary:
            self.write(temporary, path.suffix[1:])
        return path

    def write(self, file: Path | IO[bytes], form: str) -> None:
        """Write as ``png``, ``svg`` or ``pdf``; the latter two say in their metadata how, and from which records."""
        with style.context(["default", STYLE]):
            self.figure.savefig(file, format=form, metadata=self._metadata(form))

    def _metadata(self, form: str) -> dict[str, Any]:
        if form == "png":
            return {"Software": None}
        more = [f"and {len(self.ids) - MOST_NAMED:,} more"] if len(self.ids) > MOST_NAMED else []
        records = ", ".join([*self.ids[:MOST_NAMED], *more])
        told = {"Title": printable(self.title), "Creator": printable(self.command)}
        if form == "svg":
            return {**told, "Date": None, "Description": printable(self.about), "Source": printable(records)}
        subject = {"Subject": printable(self.about), "Keywords": printable(records)}
        return {**told, **subject, "CreationDate": None, "Producer": None}

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows."""
        content = BytesIO()
        self.write(content, "png")
        return content.getvalue()


def save(drawings: Iterable[Drawn], out: Path) -> list[Path]:
    """Write each figure into the folder ``out``, as PNG and as SVG."""
    out.mkdir(parents=True, exist_ok=True)
    return [drawn.save(out / f"{drawn.name}{suffix}") for drawn in drawings for suffix in (".png", ".svg")]


def chosen(
    subjects: Sequence[Subject],
    only: Sequence[str],
    names: Callable[[Subject], str],
    size: Callable[[Subject], int],
    runs: int = 0,
) -> list[Subject]:
    """What gets figures, in its order: subjects whose names contain any of ``only``; without these, the largest.

    Args:
        runs: how many there are in all subjects.
    """
    if only:
        return [subject for subject in subjects if any(words in names(subject) for words in only)]
    most = MOST_DRAWN if runs <= FOLDED else MOST_DRAWN_OF_MANY
    largest = sorted(range(len(subjects)), key=lambda place: -size(subjects[place]))[:most]
    return [subjects[place] for place in sorted(largest)]


def left_out(drawn: int, of: int, what: str, only: Sequence[str]) -> str:
    """How many subjects have figures, in a sentence; empty where all have."""
    if drawn == of:
        return ""
    which = "those asked for" if only else "the largest"
    return f"Figures are of {drawn:,} of {of:,} {what}, {which}; --only WORDS draws those whose headings contain WORDS."


def new_figure(heights: Sequence[float], notes: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per height (inches), and notes at its foot."""
    extra = 0.75 + 0.16 * len(notes)
    figure = Figure(figsize=(WIDTH, sum(heights) + extra), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=list(heights))
    if notes:
        figure.supxlabel("\n".join(notes), x=0.01, ha="left", fontsize=7.5, color="#555555")
    return figure, list(axes[:, 0])


def legend(figure: Figure, title: str, handles: list[Any], columns: int = 6) -> None:
    """Put title and key above the panels, as one legend, so that neither covers the other."""
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
