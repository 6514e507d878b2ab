"""Figures of speed contests: throughput against a size, ratios with intervals, the roofline, GPU over CPU."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from backends.job import Device
from harness.analysis.devices import Grid, grids
from harness.analysis.scaling import ABOVE, Line, Scaling, limits, scalings
from harness.presentation.contest_words import (
    TIERS,
    a_step,
    latencies,
    limit_words,
    line_name,
    named,
    ordered,
    outcome,
    ranked,
    title,
)
from harness.presentation.figure import Drawn, chosen, legend, named_notes, new_figure, pages
from harness.presentation.look import STYLE, colour_of, legible, logarithmic, tick
from harness.records.speed import Contest, Roof, Row, SpeedRecord
from harness.text import number

#: A line's dashes, by tier: tiers are never ranked against each other unmarked.
DASHES: dict[str, Any] = {"default": (0, (2, 2)), "best": "-", "fused": (0, (8, 3, 2, 3))}
#: Markers by tier, one for each variant of a backend in it.
MARKERS = {"default": "oP", "best": "sDv^<>", "fused": "*Xp"}
#: Colours of ratios, distinguishable with any colour vision: purple below 1, white at 1, orange above.
MAP = "PuOr_r"
#: A limit's dashes, by kind: products, copy, dependent steps.
LIMITS: dict[str, Any] = {"products": "-", "copy": (0, (6, 2, 1, 2)), "steps": (0, (1, 2))}
#: A roofline's roof, by device.
ROOFS: dict[str, Any] = {"cpu": "-", "cuda": (0, (6, 2))}
#: A ceiling this many times as high as the roof limits nothing, and would only stretch the axis.
FAR = 2
#: Heights at which a roofline may write the names of shapes.
LABEL_LEVELS = 4


def drawn_calls(records: Sequence[SpeedRecord], only: Sequence[str] = ()) -> list[SpeedRecord]:
    """The calls that get figures: those with a contest whose title contains any of ``only``, or else the largest."""
    return chosen(records, only, lambda record: "\n".join(map(title, record.contests)), lambda r: len(r.contests))


def figures(records: Sequence[SpeedRecord], only: Sequence[str] = ()) -> Iterator[Drawn]:
    """All figures of the records that get any, record by record: see ``drawn_calls``."""
    with style.context(["default", STYLE]):
        for record in drawn_calls(records, only):
            yield from _scalings(record)
            yield from _ratios(record)
            yield from _roofline(record)
            yield from _side_by_side(record)


# -- scaling --------------------------------------------------------------------------------------
def _scalings(record: SpeedRecord) -> Iterator[Drawn]:
    """One figure per size and set of contests that differ in it alone."""
    for number_drawn, scaling in enumerate(scalings(record), 1):
        yield _scaling(record, f"scaling-{number_drawn}-{record.id}", scaling)


def _scaling(record: SpeedRecord, stem: str, scaling: Scaling) -> Drawn:
    figure, (axis,) = new_figure([4.2], [*_limit_notes(scaling), *_notes(scaling.contests)])
    for line in scaling.lines:
        _draw_line(axis, record, line)
    top = axis.get_ylim()[1]
    drawn = list(_draw_limits(axis, scaling))
    axis.set(xscale="log", yscale="log", xlabel=legible(scaling.name), ylabel=_rate(scaling.contests))
    axis.set_ylim(top=min(axis.get_ylim()[1], ABOVE * top))
    axis.set_xticks(scaling.values, [number(value) for value in scaling.values])
    axis.xaxis.set_minor_locator(NullLocator())
    logarithmic(axis.yaxis)
    first = scaling.contests[0]
    shown = f"{_throughput(scaling.contests)} against {scaling.name}: {title(first, without=(scaling.name,))}"
    keys = [_line_key(record, line) for line in ordered(scaling.lines)]
    legend(figure, shown, [*keys, *drawn], columns=_columns(record))
    predicted, each = (" predicted", "a prediction") if first.predicts else ("", "an update")
    about = (
        f"Sequences{predicted} per second against {scaling.name}, both on logarithmic axes; ranges from p10 to p90. "
        f"Faint lines are the machine's limits: {each} that did nothing but its matrix products, nothing but move its "
        "fewest bytes, or nothing but its dependent steps, at the rates measured in the same call."
    )
    return Drawn(stem, shown, about, figure, [record.id])


def _look(record: SpeedRecord, line: Line) -> dict[str, Any]:
    """How a line is drawn: the backend's colour, dashes and a marker by tier."""
    first = line.rows[0]
    return {
        "color": colour_of(first.spec.backend), "linestyle": DASHES.get(line.tier or "", "-"), "linewidth": 1.6,
        "marker": _marker(record, first), "markersize": 5, "markerfacecolor": _face(record, first),
    }  # fmt: skip


def _draw_line(axis: Axes, record: SpeedRecord, line: Line) -> None:
    rates = [row.figures.sequences_per_second for row in line.rows if row.figures]
    ranges = [[max(0, rate.median - rate.p10) for rate in rates], [max(0, rate.p90 - rate.median) for rate in rates]]
    medians = [rate.median for rate in rates]
    axis.errorbar(line.sizes, medians, yerr=ranges, elinewidth=0.8, capsize=2, **_look(record, line))


def _line_key(record: SpeedRecord, line: Line) -> Line2D:
    tier = f" ({line.tier})" if line.tier else ""
    return Line2D([], [], label=legible(f"{line_name(record, line)}{tier}", 44), **_look(record, line))


def _limit_notes(scaling: Scaling) -> list[str]:
    return [line for words in limit_words(scaling) for line in textwrap.wrap(legible(words, 400), 140)]


def _draw_limits(axis: Axes, scaling: Scaling) -> Iterator[Line2D]:
    """What products, the copy and the dependent steps alone would allow: faint lines, and a handle for each kind."""
    handles: dict[str, Line2D] = {}
    for limit in limits(scaling):
        look: dict[str, Any] = {"linestyle": LIMITS[limit.kind], "linewidth": 1.1, "alpha": 0.55}
        colour = colour_of(limit.backend) if limit.backend else "#555555"
        axis.plot(limit.sizes, limit.rates, color=colour, zorder=1, **look)
        handles.setdefault(limit.kind, Line2D([], [], color="#555555", label=limit.words, **look))
    yield from handles.values()


def _rate(contests: Sequence[Contest]) -> str:
    return "sequences predicted/s" if contests[0].predicts else "sequences/s"


def _throughput(contests: Sequence[Contest]) -> str:
    return "Throughput of prediction" if contests[0].predicts else "Throughput"


# -- ratios -----------------------------------------------------------------------------------------
def _ratios(record: SpeedRecord) -> Iterator[Drawn]:
    """Bars of how many times as fast as the stock layer, one panel per contest."""
    panels = []
    for contest in record.contests:
        rows = [row for row in ranked(contest.rows) if row.figures and row.figures.ratio and not row.is_stock]
        if rows:
            panels.append((contest, rows))
    numbered = pages(panels)
    for page, shown in enumerate(numbered, 1):
        figure, axes = new_figure([0.3 * len(rows) + 0.75 for _, rows in shown], _notes([c for c, _ in shown]))
        for axis, (contest, rows) in zip(axes, shown, strict=True):
            _ratio_panel(axis, contest, rows)
            axis.set_title(legible(title(contest, brief=True)))
        several = any(len(contest.devices) > 1 for contest, _ in shown)
        same = "framework and device" if several else "framework"
        what = "Prediction: times" if shown[0][0].predicts else "Times"
        heading = f"{what} as fast as the stock layer of the same {same}, with the 95 % interval"
        legend(figure, heading, [])
        stem = f"ratios-{page}-{record.id}" if len(numbered) > 1 else f"ratios-{record.id}"
        yield Drawn(stem, heading, f"{heading}. {'; '.join(title(c) for c, _ in shown)}.", figure, [record.id])


def _ratio_panel(axis: Axes, contest: Contest, rows: Sequence[Row]) -> None:
    ends = []
    for place, row in enumerate(rows):
        ratio = row.figures.ratio if row.figures else None
        assert ratio is not None
        low, high = (ratio.median if end is None else end for end in (ratio.low, ratio.high))
        axis.barh(
            place, ratio.median, 0.75, color=colour_of(row.spec.backend), hatch="//" if row.tier == "fused" else None,
            edgecolor="white", linewidth=0,
        )  # fmt: skip
        axis.errorbar(
            [ratio.median], [place], xerr=[[max(0, ratio.median - low)], [max(0, high - ratio.median)]],
            color="#222222", capsize=2.5, elinewidth=1, fmt="none",
        )  # fmt: skip
        ends.append(max(high, ratio.median))
        axis.annotate(
            f"{ratio.median:.3g}",
            (ends[-1], place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
        )
    axis.axvline(1, color="#555555", linestyle=(0, (1, 2)), linewidth=1)
    axis.set_yticks(range(len(rows)), [legible(f"{contest.name_of(row)} ({row.tier})", 40) for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(0, max([*ends, 1]) * 1.1)
    axis.xaxis.set_major_formatter(FuncFormatter(tick))
    axis.tick_params(axis="y", length=0)
    axis.grid(False, axis="y")


# -- roofline ---------------------------------------------------------------------------------------
class Rates(NamedTuple):
    """A device at its best: GFLOP/s of a large matrix product, GB/s of a large copy, and its roof's other readings."""

    gemm: float
    copy: float
    roof: Roof

    @property
    def ridge(self) -> float:
        """FLOPs per byte above which the matrix product is the limit, below which the copy is."""
        return self.gemm / self.copy


def _roofline(record: SpeedRecord) -> Iterator[Drawn]:
    """Each contestant's GFLOP/s over the FLOPs per byte of an update, below what its device gives."""
    known = {
        device: Rates(roof.gemm_gflops, roof.copy_gb_per_s, roof)
        for device, roof in record.roofs.items()
        if roof.gemm_gflops is not None and roof.copy_gb_per_s is not None
    }
    rows = [row for contest in record.contests for row in ranked(contest.rows) if row.spec.device in known]
    if not rows:
        return
    figure, (axis,) = new_figure([4.2], [*_latencies(known), *_notes(record.contests)])
    places = [*map(_intensity, rows), *(rates.ridge for rates in known.values())]
    left, right = min(places) / 2, max(places) * 2
    handles = [*_draw_roofs(axis, known, left, right), *_draw_contestants(axis, record, rows, known)]
    axis.set(xscale="log", yscale="log", xlim=(left, right))
    axis.set(
        xlabel=f"FLOPs per byte: the least that {a_step(record.contests)} moves",
        ylabel="GFLOP/s of the matrix products",
    )
    for along in (axis.xaxis, axis.yaxis):
        logarithmic(along)
    _name_contests(axis, record.contests, math.log(right / left))
    firsts = {record.name_of(row): row for row in rows}
    heading = "Roofline of prediction" if record.contests[0].predicts else "Roofline"
    legend(figure, heading, [*handles, *_key(record, list(firsts.values()), lines=False)], columns=_columns(record))
    about = (
        f"GFLOP/s of each contestant against the FLOPs per byte of {a_step(record.contests)} (bytes: a lower bound), "
        "below the rates of a large matrix product and of a large copy measured in the same call. "
    ) + " ".join(_latencies(known))
    yield Drawn(f"roofline-{record.id}", heading, about.strip(), figure, [record.id])


def _draw_roofs(axis: Axes, known: Mapping[Device, Rates], left: float, right: float) -> Iterator[Line2D]:
    """The roof of each device, from the copy's slope to the matrix product's level."""
    for device, rates in known.items():
        look: dict[str, Any] = {"color": "#444444", "linewidth": 1.6, "linestyle": ROOFS[device]}
        corners = [left, rates.ridge, right]
        axis.plot(corners, [min(rates.gemm, rates.copy * x) for x in corners], **look)
        of_it = f", {device}" if len(known) > 1 else ""
        label = f"{number(rates.gemm)} GFLOP/s, {number(rates.copy)} GB/s, measured{of_it}"
        yield Line2D([], [], label=label, **look)


def _draw_contestants(
    axis: Axes, record: SpeedRecord, rows: Sequence[Row], known: Mapping[Device, Rates]
) -> Iterator[Line2D]:
    """A point for each contestant, and the ceilings that latency sets, with one handle for all of them."""
    for row in rows:
        assert row.figures is not None
        filled = _face(record, row) != "white"
        axis.plot(
            [_intensity(row)], [row.figures.gflops], marker=_marker(record, row), color=colour_of(row.spec.backend),
            linestyle="none", markersize=6.5, markeredgecolor="white" if filled else None,
            markerfacecolor=_face(record, row), markeredgewidth=0.6 if filled else 1.4,
        )  # fmt: skip
    ceilings = {(r.place, _intensity(r), c) for r in rows if (c := _ceiling(r, known[r.spec.device])) is not None}
    look: dict[str, Any] = {"marker": "_", "markeredgewidth": 1.6}
    for (backend, _), place, ceiling in sorted(ceilings):
        axis.plot([place], [ceiling], markersize=16, color=colour_of(backend), **look)
    if ceilings:
        label = "at the latency of dependent steps"
        yield Line2D([], [], markersize=12, color="#777777", linestyle="none", label=label, **look)


def _latencies(known: Mapping[Device, Rates]) -> list[str]:
    """For each device, the latency of dependent steps, in words."""
    return [
        f"Per-step latency of a chain of dependent products on {device}: {latencies(rates.roof)}."
        for device, rates in known.items()
        if rates.roof.us_per_step
    ]


def _ceiling(row: Row, rates: Rates) -> float | None:
    """GFLOP/s at which the update's dependent steps alone would take all its time; None where the roof is far lower."""
    if row.ready is None or row.figures is None or not row.figures.floor_ms:
        return None
    assert row.ready.flops_per_step is not None
    ceiling = row.ready.flops_per_step / row.figures.floor_ms / 1e6
    return ceiling if ceiling < FAR * min(rates.gemm, rates.copy * _intensity(row)) else None


def _intensity(row: Row) -> float:
    """FLOPs of an update's matrix products per byte that it moves at least."""
    assert row.ready is not None
    assert row.ready.flops_per_step is not None
    assert row.ready.bytes_per_step is not None
    return row.ready.flops_per_step / row.ready.bytes_per_step


def _name_contests(axis: Axes, contests: Sequence[Contest], width: float) -> None:
    """Write the names of shapes near the bottom, each at its intensity; at several heights where they would overlap."""
    levels: list[list[tuple[float, float]]] = [[] for _ in range(LABEL_LEVELS)]
    for contest in contests:
        rows = ranked(contest.rows)
        if not rows or not contest.name:
            continue
        label = legible(named(contest, brief=True), 30)
        place, reach = _intensity(rows[0]), width * (0.015 + 0.005 * len(label))
        for level, taken in enumerate(levels):
            if all(abs(math.log(place / other)) > reach + its_reach for other, its_reach in taken):
                axis.annotate(
                    label, (place, 0.015 + 0.05 * level), xycoords=("data", "axes fraction"), ha="center",
                    fontsize=8.5, color="#444444",
                )  # fmt: skip
                taken.append((place, reach))
                break
    low, high = axis.get_ylim()
    foot = 0.05 * sum(map(bool, levels))
    axis.set_ylim(low * (low / high) ** (foot / (1 - foot)))  # no name covers a point


# -- devices ----------------------------------------------------------------------------------------
def _side_by_side(record: SpeedRecord) -> Iterator[Drawn]:
    """For each set of sizes on both devices, a map per backend: how many times as fast as the CPU the GPU is."""
    for number_drawn, grid in enumerate(grids(record), 1):
        rows = len(grid.hiddens)
        figure, axes = new_figure([0.3 * rows + 0.85 for _ in grid.backends], _notes(grid.contests))
        reach = max(1.0, *(abs(math.log2(gain.median)) for gain in grid.gains.values()))
        for axis, backend in zip(axes, grid.backends, strict=True):
            _map(axis, grid, backend, reach)
            axis.set_title(legible(backend))
        shown = f"GPU over CPU: {title(grid.contests[0], without=('hidden', 'batch'))}"
        ends = [Patch(color=colormaps[MAP](share)) for share in (0.15, 0.5, 0.85)]
        for handle, text in zip(ends, ("CPU faster", "break-even: 1", f"{grid.machine} faster"), strict=True):
            handle.set_label(legible(text, 40))
        legend(figure, shown, ends)
        about = (
            "How many times as fast as the CPU the GPU is, over batch and hidden size, each with its fastest variant "
            f"of tier default or best. {'; '.join(grid.wins())}."
        )
        yield Drawn(f"devices-{number_drawn}-{record.id}", shown, about, figure, [record.id])


def _map(axis: Axes, grid: Grid, backend: str, reach: float) -> None:
    """A cell per hidden size and batch, its colour the logarithm of the ratio, in which it is also written."""
    for down, hidden in enumerate(grid.hiddens):
        for along, batch in enumerate(grid.batches):
            gain = grid.gains.get((backend, hidden, batch))
            share = 0.5 if gain is None else 0.5 + 0.35 * math.log2(gain.median) / reach
            colour = "#ffffff" if gain is None else colormaps[MAP](share)
            axis.add_patch(Rectangle((along - 0.5, down - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=2))
            text = "–" if gain is None else f"{gain.median:.3g}"
            weight = "bold" if gain and gain.median > 1 else "normal"
            axis.text(along, down, text, ha="center", va="center", fontsize=9, fontweight=weight)
    axis.set(xlim=(-0.5, len(grid.batches) - 0.5), ylim=(len(grid.hiddens) - 0.5, -0.5), ylabel="hidden")
    axis.set_xticks(range(len(grid.batches)), [number(batch) for batch in grid.batches])
    axis.set_yticks(range(len(grid.hiddens)), [number(hidden) for hidden in grid.hiddens])
    axis.set_xlabel("batch")
    axis.tick_params(length=0)
    axis.grid(False)


# -- what they share ------------------------------------------------------------------------------
def _marker(record: SpeedRecord, row: Row) -> str:
    """A marker that shows the tier and distinguishes a backend's variants in it."""
    mine = sorted(
        {
            record.name_of(other)
            for contest in record.contests
            for other in ranked(contest.rows)
            if other.spec.backend == row.spec.backend and other.tier == row.tier
        }
    )
    markers = MARKERS.get(row.tier or "", "o")
    return markers[mine.index(record.name_of(row)) % len(markers)]


def _face(record: SpeedRecord, row: Row) -> str:
    """A marker's fill: hollow for a CPU where both devices are shown."""
    beside = record.name_of(row) != row.name
    return "white" if beside and row.spec.device == "cpu" else colour_of(row.spec.backend)


def _key(record: SpeedRecord, rows: Sequence[Row], lines: bool = True) -> list[Any]:
    """What colour, dash and marker stand for."""
    handles = []
    for row in sorted(rows, key=lambda r: (r.spec.backend, TIERS.index(r.tier) if r.tier else 0, record.name_of(r))):
        handle = Line2D(
            [], [], color=colour_of(row.spec.backend), linestyle=DASHES.get(row.tier or "", "-") if lines else "none",
            linewidth=1.6, marker=_marker(record, row), markersize=5, markerfacecolor=_face(record, row),
        )  # fmt: skip
        handle.set_label(legible(f"{record.name_of(row)} ({row.tier})", 44))
        handles.append(handle)
    return handles


def _columns(record: SpeedRecord) -> int:
    """Columns of the key: fewer where names are longer, with the device in them."""
    return 3 if len({device for contest in record.contests for device in contest.devices}) > 1 else 4


def _notes(contests: Sequence[Contest]) -> list[str]:
    """The contestants that a figure leaves out."""
    return named_notes(
        "Not ok:", (outcome(contest, row) for contest in contests for row in contest.rows if row.status != "ok")
    )
