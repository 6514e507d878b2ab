"""How the speed, memory and score of a spec changed over versions of its framework and of this project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from harness.analysis.history import TOLERANCE, Line, Version, lines
from harness.analysis.interval import Average, averaged
from harness.analysis.regression import Change
from harness.presentation.run_columns import values
from harness.presentation.site import charts
from harness.presentation.site.charts import Chart
from harness.presentation.site.frame import Entry, Site, page_of
from harness.presentation.site.machines import seal_of
from harness.presentation.table import Column, Table
from harness.text import counted, number, printable

NAVIGATION: Final = (Entry("history.html", "History"),)
#: Lines that get a chart, those with changes first; the others are in the table alone.
MOST_DRAWN: Final = 24
#: How a change is written and marked.
WORDS: Final = {"worse": "slower", "better": "faster", "same": "no change", "not judged": "not judged", "": "first"}
_COLOURS: Final = {
    "slower": "#D55E00", "faster": "#009E73", "no change": "#0072B2", "not judged": "#8C6D31", "first": "#0072B2",
}  # fmt: skip
_SHAPES: Final = {
    "slower": "triangle-down", "faster": "triangle-up", "no change": "circle", "not judged": "diamond",
    "first": "circle",
}  # fmt: skip


class Point(NamedTuple):
    """A version of a line, and the rates of its runs, sequences per second."""

    line: Line
    version: Version
    rate: Average

    @property
    def state(self) -> str:
        """What became of the speed since the version before."""
        return WORDS[self.version.change.time.state if self.version.change else ""]


def write(site: Site) -> None:
    """Write ``history.html``."""
    found = lines(site.found.records)
    points = [[_point(line, version) for version in line.versions] for line in found]
    drawn = [
        _chart(number, line_points)
        for number, line_points in enumerate(each for each in points[:MOST_DRAWN] if _drawable(each))
    ]
    changed = sum(line.changed for line in found)
    about = [
        "Where the same spec was run on the same machine under several versions of a framework, or of this project: "
        "what became of it from one version to the next. A change is marked if its interval, of several runs Welch’s "
        f"at 95 %, of one the range of its blocks, lies wholly more than {TOLERANCE:.0%} from the version before.",
        f"{counted(len(found), 'line')} over versions, {changed:,} with a change beyond noise."
        if found
        else "No spec has been run under more than one version yet.",
    ]
    tables = [("Every version", _table([point for line in points for point in line]))] if found else []
    site.page("history.html", "tables", "History", charts=drawn, about=about, facts_shown=[], tables=tables)


def _point(line: Line, version: Version) -> Point:
    return Point(line, version, averaged(values("train_seq_s", version.runs)))


def _drawable(points: Sequence[Point]) -> bool:
    return sum(point.rate.value is not None for point in points) > 1


def _chart(place: int, points: Sequence[Point]) -> Chart:
    line = points[0].line
    rows = [
        {
            "version": printable(point.version.words), "rate": point.rate.value, "low": low, "high": high,
            "state": point.state, "runs": len(point.version.runs), "change": _time(point.version),
        }
        for point in points
        if point.rate.value is not None
        for low, high in [_range(point)]
    ]  # fmt: skip
    states = [state for state in _COLOURS if any(row["state"] == state for row in rows)]
    x = {
        "field": "version",
        "type": "ordinal",
        "sort": None,
        "title": None,
        "axis": {"labelAngle": 0, "labelLimit": 140},
    }
    every = [value for point in points if point.rate.value is not None for value in _range(point)]
    y = charts.axis("rate", "sequences trained per second", every)
    mark = {
        "color": {"field": "state", "scale": charts.colours(states, _COLOURS), "title": "speed"},
        "shape": {"field": "state", "scale": charts.colours(states, _SHAPES), "title": "speed"},
    }
    told = charts.told(version="version", rate="sequences/s", low="from", high="to", runs="runs", change="change")
    spec = {
        "data": {"values": rows},
        "encoding": {"x": x},
        "layer": [
            {"mark": {"type": "line"}, "encoding": {"y": y, "color": {"value": charts.GREY}}},
            {
                "mark": {"type": "rule", "aria": False},
                "encoding": {"y": charts.axis("low", "sequences trained per second", every), "y2": {"field": "high"}},
            },
            {"mark": {"type": "point", "size": 110}, "encoding": {"y": y, **mark, "tooltip": told}},
        ],
    }
    about = f"Training speed over versions on {line.machine}; a bar is the interval or, of few runs, their range."
    return Chart(f"line-{place + 1}", printable(line.name), printable(about), spec, _table(points))


def _range(point: Point) -> tuple[float, float]:
    """The interval of the median; of too few runs what their blocks span."""
    if point.rate.low is not None and point.rate.high is not None:
        return point.rate.low, point.rate.high
    runs = point.version.runs
    return min(values("train_seq_s_p10", runs)), max(values("train_seq_s_p90", runs))


def _time(version: Version) -> str:
    return _words(version.change.time, "slower", "faster") if version.change else ""


def _words(change: Change, worse: str, better: str) -> str:
    of = {"worse": worse, "better": better, "same": "same", "not judged": "not judged"}
    return printable(f"{of[change.state]}: {change.text}")


def _table(points: Sequence[Point]) -> Table:
    def change(name: str, worse: str, better: str) -> Any:
        return lambda point: (
            _words(getattr(point.version.change, name), worse, better) if point.version.change else "first"
        )

    columns: list[Column[Point]] = [
        Column("run", lambda point: point.line.name, prose=True),
        Column("machine", lambda point: point.line.machine, prose=True),
        Column(
            "version", lambda point: point.version.words, prose=True,
            link=lambda point: page_of(seal_of(point.version.runs[-1])),
        ),
        Column("runs", lambda point: len(point.version.runs), kind="Int64"),
        Column("train seq/s", lambda point: point.rate.value, kind="float64", write=number),
        Column("time", change("time", "slower", "faster"), prose=True),
        Column("memory", change("memory", "more", "less"), prose=True),
        Column("score", change("score", "worse", "better"), prose=True),
    ]  # fmt: skip
    return Table.of(columns, points)
