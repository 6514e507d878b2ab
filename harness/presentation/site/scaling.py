"""How throughput and cost change with a size: every set of contests that differ in one, with the machine's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from harness.analysis.scaling import ABOVE, Line, Scaling, limits, scalings
from harness.presentation import scaling_table
from harness.presentation.contest_words import about, limit_words, line_name, machine, ordered, title
from harness.presentation.look import colour_of
from harness.presentation.site import charts
from harness.presentation.site.charts import Chart
from harness.presentation.site.frame import Entry, Site, page_of
from harness.presentation.table import Column, Table
from harness.records.base import Spread
from harness.records.speed import Row, SpeedRecord
from harness.records.store import Found
from harness.text import number, printable

NAVIGATION: Final = (Entry("scaling.html", "Scaling"),)
#: Sets of contests that are shown: the newest.
MOST_SHOWN: Final = 24
#: A line's dashes, by tier, as ``harness.presentation.contest_figures.DASHES``.
_TIERS: Final = {"default": [2, 2], "best": [1, 0], "fused": [8, 3, 2, 3]}
#: A limit's dashes, by kind, as ``harness.presentation.contest_figures.LIMITS``.
_DASHES: Final = {"products": [1, 0], "copy": [6, 2, 1, 2], "steps": [1, 2]}


class Part(NamedTuple):
    """One set of contests: heading, what its contestants share, chart, table of growth, and the record it is from."""

    heading: str
    about: str
    chart: Chart
    table: Table | None
    address: str
    created: str
    machine: str


def wanted(found: Found) -> bool:
    """Whether any contests differ in one size."""
    return any(True for record in found.speeds for _ in scalings(record))


def write(site: Site) -> None:
    """Write ``scaling.html``."""
    every = sorted(site.found.speeds, key=lambda record: record.created, reverse=True)
    sets = [(record, scaling) for record in every for scaling in scalings(record)]
    parts = [_part(site, f"scaling-{at + 1}", *each) for at, each in enumerate(sets[:MOST_SHOWN])]
    lines = [
        "What an update takes as one size grows, of contests that differ in it alone. Faint lines are the machine’s "
        "limits, measured in the same call: an update of nothing but its matrix products, of nothing but the fewest "
        "bytes that it moves, or, in a backend’s colour, of nothing but its steps that wait for one another.",
        "The tables fit ms = fixed + work / rate to the medians, work being the FLOPs of the matrix products, with "
        "95 % intervals. Where the measured times are on no straight line, a sentence says so in place of figures. "
        "Nothing is said of sizes between or beyond those measured.",
    ]
    if len(sets) > MOST_SHOWN:
        lines.append(f"Shown are the newest {MOST_SHOWN} of {len(sets):,} sets.")
    site.page("scaling.html", "scaling", "Scaling", charts=[part.chart for part in parts], about=lines, parts=parts)


def _part(site: Site, name: str, record: SpeedRecord, scaling: Scaling) -> Part:
    heading = f"{scaling.name.capitalize()}: {title(scaling.contests[0], without=(scaling.name,))}"
    return Part(
        printable(heading), printable(about(scaling.contests[0])), _chart(name, record, scaling),
        scaling_table.table(record, scaling), page_of(site.seals[record.id]), f"{record.created:%Y-%m-%d}",
        machine(record),
    )  # fmt: skip


def _point(record: SpeedRecord, line: Line, at: int, row: Row, rate: Spread) -> dict[str, Any]:
    return {
        "size": at, "rate": rate.median, "low": rate.p10, "high": rate.p90, "backend": row.spec.backend,
        "who": printable(line_name(record, line)), "tier": printable(line.tier or "several"),
        "variant": printable(row.current_variant), "ms": row.figures.step_ms.median if row.figures else None,
    }  # fmt: skip


def _points(record: SpeedRecord, scaling: Scaling) -> Iterator[dict[str, Any]]:
    for line in ordered(scaling.lines):
        for at, row in zip(line.sizes, line.rows, strict=True):
            if row.figures:
                yield _point(record, line, at, row, row.figures.sequences_per_second)


def _chart(name: str, record: SpeedRecord, scaling: Scaling) -> Chart:
    rows = list(_points(record, scaling))
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    colour = {"scale": charts.colours(backends, {backend: colour_of(backend) for backend in backends})}
    x = {
        "field": "size", "type": "quantitative", "title": scaling.name, "scale": {"type": "log", "nice": False},
        "axis": {"format": charts.LOG_TICKS, "values": scaling.values},
    }  # fmt: skip
    y = {
        "field": "rate", "type": "quantitative", "title": "sequences/s", "scale": {"type": "log"},
        "axis": {"format": charts.LOG_TICKS, "tickCount": 6},
    }  # fmt: skip
    tiers = list(dict.fromkeys(row["tier"] for row in rows))
    dashes = {
        "field": "tier", "title": "tier",
        "scale": {"domain": tiers, "range": [_TIERS.get(tier, [1, 0]) for tier in tiers]},
    }  # fmt: skip
    coloured = {"field": "backend", "title": "backend", **colour}
    told = charts.told(who="contestant", variant="variant", size=scaling.name, rate="sequences/s", ms="ms per update")
    spec = {
        "data": {"values": rows},
        "encoding": {"x": x, "y": y},
        "layer": [
            *_limit_layers(scaling, max(row["high"] for row in rows), coloured),
            {
                "mark": {"type": "line", "aria": False},
                "encoding": {"color": coloured, "strokeDash": dashes, "detail": {"field": "who"}},
            },
            {"mark": {"type": "rule", "aria": False}, "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"},
                                                                   "color": coloured}},
            {"mark": {"type": "point", "filled": True, "size": 50}, "encoding": {"color": coloured, "tooltip": told}},
        ],
    }  # fmt: skip
    told_limits = ". ".join(limit_words(scaling))
    sentence = f"Both axes are logarithmic; bars from p10 to p90.{f' {told_limits}.' if told_limits else ''}"
    return Chart(name, f"Throughput against {scaling.name}", printable(sentence), spec, _table(scaling, rows))


def _limit_layers(scaling: Scaling, top: float, coloured: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A faint line for each limit, and for the machine's own what it is called, at its end."""
    found = list(limits(scaling))
    several = len({limit.device for limit in found}) > 1
    for limit in found:
        points = [
            {"size": at, "rate": rate, "backend": limit.backend}
            for at, rate in zip(limit.sizes, limit.rates, strict=True)
            if rate <= ABOVE * top
        ]
        if len(points) < 2:
            continue
        colour = coloured if limit.backend else {"value": charts.GREY}
        mark = {"type": "line", "aria": False, "opacity": 0.6, "strokeWidth": 1, "strokeDash": _DASHES[limit.kind]}
        yield {"data": {"values": points}, "mark": mark, "encoding": {"color": colour}}
        if not limit.backend:
            falls = limit.rates[-1] < limit.rates[0]  # words above the upper end: the line leads away below them
            words = f"{limit.words}, {limit.device}" if several else limit.words
            look = {"type": "text", "text": words, "align": "left" if falls else "right", "dy": -8, "aria": False}
            data = {"values": [points[0 if falls else -1]]}
            yield {"data": data, "mark": look | {"tooltip": None}, "encoding": {"color": {"value": charts.GREY}}}


def _table(scaling: Scaling, rows: list[dict[str, Any]]) -> Table:
    columns: list[Column[dict[str, Any]]] = [
        Column("contestant", lambda row: row["who"]),
        Column("variant", lambda row: row["variant"]),
        Column(scaling.name, lambda row: row["size"], kind="Int64"),
        Column("sequences/s", lambda row: row["rate"], kind="float64"),
        Column("p10–p90", lambda row: f"{number(row['low'])}–{number(row['high'])}", right=True),
        Column("ms per update", lambda row: row["ms"], kind="float64"),
    ]
    return Table.of(columns, rows)
