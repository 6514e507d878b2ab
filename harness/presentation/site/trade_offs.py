"""What a score costs: in seconds, in memory and in joules, with the best front of each."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from harness.analysis.groups import finished, shares, trait
from harness.analysis.repeats import Repetitions, repetitions
from harness.analysis.trade_offs import best_front
from harness.presentation.look import colour_of
from harness.presentation.run_columns import PREFIXES, higher_is_better, values
from harness.presentation.site import charts
from harness.presentation.site.charts import Chart
from harness.presentation.site.frame import Entry, Site, page_of
from harness.presentation.site.machines import seal_of
from harness.presentation.table import Column, Table
from harness.records.kept import Run
from harness.text import machine_text, number, printable, score_text

NAVIGATION: Final = (Entry("trade-offs.html", "Trade-offs"),)
#: Tasks, each on a machine, that are drawn: those of most runs.
MOST_DRAWN: Final = 16
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


class Cost(NamedTuple):
    """What is paid for a score: the column that has it, and its words; ``shared``: right also of runs side by side."""

    name: str
    column: str
    words: str
    shared: bool


COSTS: Final = (
    Cost("seconds", "train_s", "seconds inside training steps", False),
    Cost("memory", "host_growth_mib", "MiB that training took on the host", True),
    Cost("device-memory", "device_peak_mib", "MiB on the device at most", True),
    Cost("joules", "energy_j", "joules", False),
)


class Point(NamedTuple):
    """The runs of one spec over seeds: medians of cost and score."""

    runs: Repetitions
    cost: float
    score: float
    best: bool

    @property
    def words(self) -> str:
        """Which spec it is."""
        return printable(", ".join(filter(None, [self.runs.cell, self.runs.contender, self.runs.group.differing])))


def write(site: Site) -> None:
    """Write ``trade-offs.html``."""
    by_task: dict[tuple[Any, ...], list[Run]] = {}
    for run in site.found.records:
        if finished(run):
            by_task.setdefault(_key(run), []).append(run)
    largest = sorted(by_task, key=lambda key: -len(by_task[key]))[:MOST_DRAWN]
    drawn = [
        chart
        for place, key in enumerate(sorted(largest, key=str))
        for cost in COSTS
        if (chart := _chart(f"{cost.name}-{place + 1}", key, cost, by_task[key])) is not None
    ]
    about = [
        "What a score costs. Each mark is a spec on one machine: the medians over its seeds. On the best front, which "
        "a line connects, lie those that no other beats in both score and cost.",
    ]
    if len(by_task) > MOST_DRAWN:
        about.append(f"Drawn are the {MOST_DRAWN} of {len(by_task):,} tasks, each on a machine, that have most runs.")
    if not drawn:
        about.append("There are no two specs of one task on one machine yet.")
    site.page("trade-offs.html", "tables", "Trade-offs", charts=drawn, about=about, facts_shown=[], tables=[])


def _key(run: Run) -> tuple[Any, ...]:
    """What runs must share for their scores and costs to be comparable: the task, and where they ran."""
    parameters = json.dumps(PREFIXES["P."][1](run), sort_keys=True)
    place = trait(run, "machine"), trait(run, "logical_cpus")
    return trait(run, "task"), parameters, trait(run, "score_name"), *place


def points(cost: Cost, runs: Sequence[Run]) -> list[Point]:
    """A point for each spec that has a score and this cost."""
    found = []
    for same in repetitions(run for run in runs if cost.shared or not shares(run)):
        costs, scores = values(cost.column, same.records), values("score", same.records)
        if costs and scores:
            found.append((same, statistics.median(costs), statistics.median(scores)))
    front = best_front([each[1] for each in found], [each[2] for each in found], higher_is_better(runs[0]))
    return [Point(*each, place in front) for place, each in enumerate(found)]


def _chart(name: str, key: tuple[Any, ...], cost: Cost, runs: Sequence[Run]) -> Chart | None:
    """None of fewer than two specs, or where all cost nothing that was measured."""
    found = points(cost, runs)
    if len(found) < 2 or not any(point.cost for point in found):
        return None
    task, parameters, score, machine, cpus = key
    better = higher_is_better(runs[0])
    rows = [
        {
            "cost": point.cost, "score": point.score, "who": point.words,
            "backend": trait(point.runs.records[0], "backend"),
            "cell": printable(point.runs.cell), "runs": len(point.runs.records), "best": "yes" if point.best else "no",
        }
        for point in found
    ]  # fmt: skip
    x = charts.axis("cost", cost.words, [point.cost for point in found])
    y = charts.axis("score", printable(score), [point.score for point in found], linear=better)
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    shapes = {cell: _SHAPES[place % len(_SHAPES)] for place, cell in enumerate(cells)}
    marks = {
        "color": {
            "field": "backend", "title": "backend",
            "scale": charts.colours(backends, {backend: colour_of(backend) for backend in backends}),
        },
        "shape": {"field": "cell", "title": "cell", "scale": charts.colours(cells, shapes)},
        "tooltip": charts.told(
            who="spec", score=printable(score), cost=cost.words, runs="runs", best="on the best front"
        ),
    }  # fmt: skip
    front = {"transform": [{"filter": {"field": "best", "equal": "yes"}}]}
    ring = {"type": "point", "shape": "circle", "size": 260, "filled": False, "aria": False, "tooltip": None}
    spec = {
        "data": {"values": rows},
        "encoding": {"x": x, "y": y},
        "layer": [
            front | {
                "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [5, 3], "aria": False},
                "encoding": {"color": {"value": charts.GREY}, "order": {"field": "cost", "type": "quantitative"}},
            },
            {"mark": {"type": "point", "size": 80}, "encoding": marks},
            front | {
                "mark": ring,
                "encoding": {"color": {"value": charts.GREY}},
            },
        ],
    }  # fmt: skip
    settings = ", ".join(f"{name} {value}" for name, value in json.loads(parameters).items())
    title = f"{task}{f' ({settings})' if settings else ''}: {score} against {cost.words}"
    place = machine_text(machine, cpus)
    about = f"On {place}; {'more' if better else 'less'} {score} is better, less cost too."
    return Chart(name, printable(title), printable(about), spec, _table(cost, score, found))


def _table(cost: Cost, score: str, found: Sequence[Point]) -> Table:
    columns: list[Column[Point]] = [
        Column(
            "spec", lambda point: point.words, link=lambda point: page_of(seal_of(point.runs.records[-1])), prose=True
        ),
        Column("score", lambda point: point.score, kind="float64", heading=printable(score), write=score_text),
        Column(cost.name, lambda point: point.cost, kind="float64", heading=cost.words, write=number),
        Column("runs", lambda point: len(point.runs.records), kind="Int64"),
        Column("front", lambda point: point.best, kind="boolean", heading="on the best front",
               style=lambda point: "green" if point.best else ""),
    ]  # fmt: skip
    return Table.of(columns, sorted(found, key=lambda point: (not point.best, point.cost)))
