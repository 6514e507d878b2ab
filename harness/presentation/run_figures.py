"""Figures of runs: throughput, memory, learning curves. The same records give the same bytes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from harness.analysis.groups import Group, groups, median_of, trait
from harness.presentation.curves import Curve, Numbers, curve_of
from harness.presentation.figure import Drawn, chosen, legend, named_notes, new_figure, pages
from harness.presentation.look import COLOURS, STYLE, colour_of, legible, logarithmic, tick
from harness.presentation.run_columns import COLUMNS, values
from harness.records.kept import Run
from harness.records.naming import reasons
from harness.text import number

DASHES: dict[str, Any] = {"lstm": "-", "gru": (0, (8, 3)), "gru-reset-before": (0, (8, 3, 2, 3)), "rnn": (0, (2, 2.5))}
MARKERS = ("", "o", "s", "^", "D", "v")
#: Least distance between the names of two levels, as a share of a panel's height.
LABEL_GAP = 0.055
#: Where the slowest takes this many times as long as the fastest, a linear time axis would hide the fastest.
LOG_TIME_RATIO = 12


def drawn_groups(found: Sequence[Group], only: Sequence[str] = ()) -> list[Group]:
    """The groups that get figures: those whose titles contain any of ``only``; without these, those of most runs."""
    runs = sum(len(group.records) for group in found)
    return chosen(found, only, lambda group: group.title, lambda group: len(group.ok), runs)


def figures(
    records: Iterable[Run], only: Sequence[str] = (), comparable: Sequence[Group] | None = None
) -> Iterator[Drawn]:
    """Throughput and memory of the groups that get figures, then the curves of each: see ``drawn_groups``.

    Args:
        comparable: the groups of the records, where they are known.
    """
    found = drawn_groups(groups(records) if comparable is None else comparable, only)
    with style.context(["default", STYLE]):
        yield from _bars(found, "throughput", "Training throughput, sequences per second", _throughput)
        yield from _bars(found, "memory", "Host memory: level after initialisation, and growth beyond it", _memory)
        for group in found:
            if not group.ok:
                continue
            score = COLUMNS["score_name"].get(group.ok[0])
            lines = {id(record): curve_of(record, score) for record in group.ok}
            if any(len(curve) > 1 for curve in lines.values()):
                yield _curves(group, score, lines)
                yield _against_time(group, score, lines)


# -- bars ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Bar:
    """One horizontal bar: stacked parts, a range, a mark, and the text at its end."""

    colour: str
    parts: tuple[float, ...]
    text: str
    spread: tuple[float, float] | None = None
    mark: float | None = None


def _bars(found: Sequence[Group], name: str, title: str, bar: Callable[[list[Run]], Bar | None]) -> Iterator[Drawn]:
    """Figures with one panel per group, the bars grouped by cell."""
    panels = []
    for group in found:
        bars = {key: made for key, records in group.contenders().items() if (made := bar(records)) is not None}
        if bars:
            panels.append((group, bars))
    speaking = {group.slug for group, _ in panels}
    numbered = pages(panels)
    for page, shown in enumerate(numbered):
        groups_shown = [group for group, _ in shown]
        # groups without anything to draw are named on the first page
        silent = [group for group in found if group.slug not in speaking] if page == 0 else []
        notes = _notes(record for group in [*groups_shown, *silent] for record in group.records)
        heights = [0.27 * (len(bars) + len({cell for cell, _ in bars})) + 0.65 for _, bars in shown]
        figure, axes = new_figure(heights, notes)
        for axis, (group, bars) in zip(axes, shown, strict=True):
            _bar_panel(axis, bars)
            axis.set_title(legible(group.title))
        device = any(made.mark is not None for _, bars in shown for made in bars.values())
        legend(figure, title, _memory_key(device) if name == "memory" else [])
        suffix = f"-{page + 1}" if len(numbered) > 1 else ""
        ids = [record.id for group in groups_shown for record in group.records]
        yield Drawn(f"{name}{suffix}", title, f"{title}. {'; '.join(g.title for g in groups_shown)}.", figure, ids)


def _bar_panel(axis: Axes, bars: Mapping[tuple[str, str], Bar]) -> None:
    place, places, labels, previous = 0.0, [], [], None
    headings = []
    for cell, contender in bars:
        if cell != previous:
            place += 1.0
            headings.append((place, cell))
        place += 1.0
        labels.append(legible(contender, 34))
        places.append(place)
        previous = cell
    longest = max(max(sum(bar.parts), *(bar.spread or (0,)), bar.mark or 0) for bar in bars.values()) or 1
    for where, bar in zip(places, bars.values(), strict=True):
        left = 0.0
        for i, part in enumerate(bar.parts):
            pale = i < len(bar.parts) - 1  # the last part is the one that the bar is about
            axis.barh(
                where, part, 0.8, left, color="#cfcfcf" if pale else bar.colour,
                edgecolor="white", linewidth=0,
            )  # fmt: skip
            left += part
        end = left
        if bar.spread:
            low, high = bar.spread
            axis.errorbar(
                [left], [where], xerr=[[max(0.0, left - low)], [max(0.0, high - left)]], color="#222222",
                capsize=2.5, elinewidth=1, capthick=1, fmt="none",
            )  # fmt: skip
            end = max(left, high)
        if bar.mark is not None:
            axis.plot([bar.mark], [where], marker="D", color="#222222", markersize=4.5, linestyle="none")
            end = max(end, bar.mark)
        axis.text(end + longest * 0.012, where, legible(bar.text, 60), va="center", fontsize=8.5)
    for where, cell in headings:
        axis.annotate(
            legible(cell, 34), (0, where + 0.15), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center", fontweight="bold", fontsize=9,
        )  # fmt: skip
    axis.set_yticks(places, labels)
    axis.set_ylim(places[-1] + 0.7, places[0] - 1.7)
    axis.set_xlim(0, longest * (1.02 + 0.011 * max(len(bar.text) for bar in bars.values())))
    axis.xaxis.set_major_formatter(FuncFormatter(tick))
    axis.tick_params(axis="y", length=0)
    axis.grid(False, axis="y")


def _throughput(records: list[Run]) -> Bar | None:
    """Median of the runs' medians; the range from the lowest p10 to the highest p90."""
    medians, lows, highs = (values(f"train_seq_s{which}", records) for which in ("", "_p10", "_p90"))
    if not medians:
        return None
    middle = statistics.median(medians)
    runs = f"  ({len(medians)} runs)" if len(medians) > 1 else ""
    return Bar(_colour(records), (middle,), f"{number(middle)}{runs}", (min(lows), max(highs)))


def _colour(records: Sequence[Run]) -> str:
    return colour_of(trait(records[0], "backend"))


def _memory(records: list[Run]) -> Bar | None:
    """Median over the runs of the level after initialisation and of the growth beyond it, in MiB."""
    grown = [record for record in records if COLUMNS["host_growth_mib"].get(record) is not None]
    before, growth = (median_of(values(name, grown)) for name in ("host_init_mib", "host_growth_mib"))
    device = median_of(values("device_peak_mib", records))
    if before is None or growth is None:
        return None
    text = f"+{number(growth)} MiB on {number(before)}"
    mark = None
    if device is not None:
        mark, text = device, f"{text}; device {number(device)}"
    return Bar(_colour(records), (before, growth), text, mark=mark)


def _memory_key(device: bool) -> list[Any]:
    keys: list[Any] = [
        Patch(color="#cfcfcf", label="after initialisation"),
        Patch(color=COLOURS["numpy"], label="growth while training (in the backend's colour)"),
    ]
    if device:
        keys.append(Line2D([], [], marker="D", color="#222222", linestyle="none", markersize=4.5, label="device peak"))
    return keys


# -- curves -------------------------------------------------------------------------------------
Axis = Literal["step", "seconds"]
#: Of the runs of a group, by the identities of the objects.
Lines = Mapping[int, Curve]


def _curves(group: Group, score: str, lines: Lines) -> Drawn:
    """Main score and validation loss against updates; one panel where the score is the loss."""
    metrics = group.ok[0].metrics
    assert metrics is not None
    same = all(
        math.isclose(value, loss, rel_tol=1e-6)
        for curve in lines.values()
        for value, loss in zip(curve.scores, curve.losses, strict=True)
    )
    title = f"Learning curves: {group.title}"
    figure, axes = new_figure([3.6] if same else [3.1, 3.1], _notes(group.records))
    of_score = {"baseline": metrics.baseline[score]} if score in metrics.baseline else {}
    of_loss = {**metrics.landmarks, **({"baseline": metrics.baseline["loss"]} if "loss" in metrics.baseline else {})}
    if same:
        of_loss |= of_score
    else:
        _draw_lines(axes[0], group, lines, "step", lambda curve: curve.scores)
        _value_axis(axes[0], f"{score} (validation)", of_score, metrics.higher_is_better)
    _draw_lines(axes[-1], group, lines, "step", lambda curve: curve.losses)
    _value_axis(axes[-1], f"{score if same else 'loss'} (validation)", of_loss)
    axes[-1].set_xlabel("updates")
    for axis in axes:
        axis.xaxis.set_major_formatter(FuncFormatter(tick))
    legend(figure, title, _key(group))
    about = f"{score} and loss on the validation split against updates. {_ends(group)}"
    return Drawn(f"curves-{group.slug}", title, about, figure, _ids(group), group.title)


def _against_time(group: Group, score: str, lines: Lines) -> Drawn:
    """Main score against the time spent inside training steps."""
    metrics = group.ok[0].metrics
    assert metrics is not None
    title = f"Score against training time: {group.title}"
    figure, (axis,) = new_figure([3.6], _notes(group.records))
    ends = [float(curve.seconds[-1]) for curve in lines.values() if len(curve) and curve.seconds[-1] > 0]
    log_time = bool(ends) and max(ends) / min(ends) > LOG_TIME_RATIO
    _draw_lines(axis, group, lines, "seconds", lambda curve: curve.scores, log_time)
    levels = {"baseline": metrics.baseline[score]} if score in metrics.baseline else {}
    _value_axis(axis, f"{score} (validation)", levels, metrics.higher_is_better)
    if log_time:
        axis.set_xscale("log")
        logarithmic(axis.xaxis, fine=max(ends) / min(ends) < 1000)
    else:
        axis.xaxis.set_major_formatter(FuncFormatter(tick))
    axis.set_xlabel("seconds inside training steps, compilation included")
    legend(figure, title, _key(group))
    about = f"{score} on the validation split against seconds inside training steps. {_ends(group)}"
    return Drawn(f"time-{group.slug}", title, about, figure, _ids(group), group.title)


def _ids(group: Group) -> list[str]:
    return [record.id for record in group.records]


def _draw_lines(
    axis: Axes, group: Group, lines: Lines, along: Axis, value: Callable[[Curve], Numbers], positive: bool = False
) -> None:
    """A line per cell and contender; of several runs the median, and a band from least to most."""
    found = group.contenders()
    names = list(dict.fromkeys(contender for _, contender in found))
    markers = _markers(found)
    for (cell, contender), records in found.items():
        colour = _colour(records)
        marker = markers[contender]
        # backends give the same curve for the same run: wider lines below stay visible
        above = len(names) - 1 - names.index(contender) if along == "step" else 0
        width = 1.6 + min(1.8, 6 / len(names)) * above
        look: dict[str, Any] = {"color": colour, "linestyle": DASHES.get(cell, "-"), "linewidth": width}
        by_step: dict[float, list[tuple[float, float]]] = {}
        for record in records:
            curve = lines[id(record)]
            xs_of, ys_of = curve.steps if along == "step" else curve.seconds, value(curve)
            for step, x, y in zip(curve.steps.tolist(), xs_of.tolist(), ys_of.tolist(), strict=True):
                if not math.isnan(y) and not (positive and x <= 0):
                    by_step.setdefault(step, []).append((x, y))
        # only updates at which every run was evaluated: else the band would jump where a run joins or leaves
        common = [pairs for _, pairs in sorted(by_step.items()) if len(pairs) == len(records)]
        if not common:
            continue
        xs = [statistics.median(x for x, _ in pairs) for pairs in common]
        ys = [[y for _, y in pairs] for pairs in common]
        axis.plot(xs, [statistics.median(y) for y in ys], marker=marker, markersize=4, **look)
        if len(records) > 1:
            axis.fill_between(xs, [min(y) for y in ys], [max(y) for y in ys], color=colour, alpha=0.18, linewidth=0)


def _value_axis(axis: Axes, label: str, levels: Mapping[str, float], shares: bool = False) -> None:
    """The axis of values: logarithmic where they are positive and span a factor of 5, shares excepted."""
    heights = [float(y) for line in axis.lines for y in np.asarray(line.get_ydata(), dtype=float)]
    heights += levels.values()
    if not shares and heights and min(heights) > 0 and max(heights) / min(heights) > 5:
        axis.set_yscale("log")
        decades = math.log10(max(heights) / min(heights))
        logarithmic(axis.yaxis, fine=decades < 3)
    else:
        axis.yaxis.set_major_formatter(FuncFormatter(tick))
    axis.set_ylabel(legible(label, 40))
    _levels(axis, levels)


def _levels(axis: Axes, levels: Mapping[str, float]) -> None:
    """Dotted lines at named levels, their names beside the panel; names too close are moved apart."""
    shared: dict[float, list[str]] = {}
    for name, level in levels.items():
        near = next((other for other in shared if math.isclose(other, level, rel_tol=1e-3, abs_tol=1e-12)), level)
        shared.setdefault(near, []).append(name)
    for level in shared:
        axis.axhline(level, color="#555555", linestyle=(0, (1, 2)), linewidth=1, zorder=1.5)
    axis.set_ylim(axis.get_ylim())  # the names' places below hold for these limits
    to_axes = axis.transScale + axis.transLimits
    lowest = 0.0
    for level, names in sorted(shared.items()):
        place = max(lowest, float(to_axes.transform((0.0 if axis.get_xscale() == "linear" else 1.0, level))[1]))
        lowest = place + LABEL_GAP
        axis.annotate(
            legible(" = ".join(names), 34), (1, place), xycoords="axes fraction", xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=8, color="#444444", annotation_clip=False,
        )  # fmt: skip


def _key(group: Group) -> list[Any]:
    """What colour, dash and marker stand for: backends first, then cells."""
    found = group.contenders()
    markers = _markers(found)
    handles: dict[str, Line2D] = {}
    for (_, contender), records in found.items():
        colour = _colour(records)
        look: dict[str, Any] = {"color": colour, "marker": markers[contender], "markersize": 4}
        handles.setdefault(contender, Line2D([], [], linewidth=2, **look))
    cells = dict.fromkeys(cell for cell, _ in found)
    for cell in cells if len(cells) > 1 else ():
        handles[cell] = Line2D([], [], color="#444444", linestyle=DASHES.get(cell, "-"), linewidth=1.6)
    if any(len(records) > 1 for records in found.values()):
        handles["least to most"] = Line2D([], [], color="#999999", linewidth=7, alpha=0.4)
    for label, handle in handles.items():
        handle.set_label(legible(label, 26))
    return list(handles.values())


def _ends(group: Group) -> str:
    """The score at which each line ends, for readers who cannot see the figure."""
    ends = []
    for (cell, contender), records in group.contenders().items():
        if (middle := median_of(values("score", records))) is not None:
            ends.append(f"{cell} {contender} {number(middle)}")
    return f"Test scores: {', '.join(ends)}." if ends else ""


def _notes(records: Iterable[Run]) -> list[str]:
    """The runs that a figure leaves out."""
    return named_notes("Not drawn:", reasons(records))


def _markers(found: Mapping[tuple[str, str], Sequence[Run]]) -> dict[str, str]:
    """For each contender a marker that distinguishes the variants of its backend; none where there is only one."""
    own: dict[str, set[str]] = {}
    for (_, contender), records in found.items():
        own.setdefault(trait(records[0], "backend"), set()).add(contender)
    return {
        contender: MARKERS[place % len(MARKERS)]
        for contenders in own.values()
        for place, contender in enumerate(sorted(contenders))
    }
