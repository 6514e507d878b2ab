"""A study as people see it: its runs by what they differ in, what is done and what is left, and for how long."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from harness.analysis.disturbance import flags
from harness.analysis.interval import Average, averaged
from harness.presentation.run_columns import with_interval
from harness.presentation.table import Cell, Column, Table
from harness.records.run import Record
from harness.specs.options import option_named, value_at
from harness.specs.run import RunSpec
from harness.text import duration, printable, score_text

#: What every label has, in this order.
_ALWAYS = ("task", "model.cell", "backend")


class Label:
    """Names the runs of a study: task, cell and backend, and what the study varies beside them.

    Args:
        axes: names in Python of the options that it varies; ``parameter.length`` for a parameter of the task.
    """

    def __init__(self, axes: Iterable[str]) -> None:
        self._varied: dict[str, Callable[[RunSpec], Any]] = {}
        for axis in axes:
            option, _, parameter = axis.partition(".")
            stated = option_named(option)
            if parameter:
                self._varied[parameter] = lambda spec, name=parameter: spec.parameters.get(name)  # type: ignore[misc]
            elif stated.fills and stated.fills not in _ALWAYS:
                self._varied[stated.name] = lambda spec, path=stated.fills: value_at(spec, path)  # type: ignore[misc]

    def of(self, spec: RunSpec) -> str:
        """The label of one run."""
        always = [spec.task, spec.model.name, spec.backend]
        return printable(" ".join([*always, *(f"{name} {text}" for name, text in self.varied(spec).items())]))

    def varied(self, spec: RunSpec) -> dict[str, str]:
        """What the study varies, by the name of its option, as a run has it."""
        return {name: _written(get(spec)) for name, get in self._varied.items()}


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def finished_line(position: int, total: int, label: str, record: Record) -> str:
    """What became of a run, in one line."""
    place = f"[{position:>{len(str(total))}}/{total}]"
    metrics = record.metrics
    if metrics is None or metrics.main is None:
        what = f"{record.status}: {record.reason or 'no reason was given'}"
    else:
        what = f"{metrics.main_score} {score_text(metrics.main)}, {duration(metrics.wall_s)}"
    return f"{place} {printable(f'{label}: {what}')}"


def status_table(title: str, statuses: Mapping[str, int], running: Sequence[str], left: int, time_left: str) -> Table:
    """How far a study is: a row for each status of what is done, one for what runs and one for what is left."""
    rows = [(status, count, "") for status, count in sorted(statuses.items())]
    rows += [("running", len(running), "\n".join(running))] if running else []
    rows.append(("left", left, time_left))
    columns: list[Column[tuple[str, int, str]]] = [
        Column("runs", lambda row: row[0]),
        Column("number", lambda row: row[1], kind="Int64"),
    ]
    if any(row[2] for row in rows):
        columns.append(Column("which", lambda row: row[2] or None, heading=" ", prose=True))
    return Table.of(columns, rows, title=title, layout="framed")


@dataclass
class Combination:
    """The runs of a study that differ in nothing but the seed."""

    names: Mapping[str, str]
    score_name: str = ""
    higher_is_better: bool = False
    scores: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    solved: int = 0
    noisy: int = 0
    not_ok: int = 0

    def add(self, record: Record) -> None:
        """Count one of its runs."""
        metrics = record.metrics
        if record.status != "ok" or metrics is None or metrics.main is None:
            self.not_ok += 1
            return
        self.score_name, self.higher_is_better = metrics.main_score, metrics.higher_is_better
        self.scores.append(metrics.main)
        self.solved += metrics.solved
        self.noisy += bool(flags(record.noise))
        if metrics.train_sequences_per_second is not None:
            self.rates.append(metrics.train_sequences_per_second.median)

    def text(self, varied: Sequence[str]) -> str:
        """Which it is, in words, by these of its names."""
        return " ".join(self.names[name] if name in _PLAIN else f"{name} {self.names[name]}" for name in varied)


#: Names that say nothing beside their value.
_PLAIN = ("task", "cell", "backend")


def combinations(records: Iterable[Record], label: Label) -> list[Combination]:
    """The runs by all that a study varies but the seed, in the order of the runs. One record at a time is needed."""
    found: dict[tuple[str, ...], Combination] = {}
    for record in records:
        spec = record.spec
        names = {"task": f"{spec.task}, {spec.preset}", "cell": spec.model.name, "backend": spec.backend}
        names |= {name: value for name, value in label.varied(spec).items() if name != "seed"}
        found.setdefault(tuple(names.values()), Combination(names)).add(record)
    return list(found.values())


def summary_table(name: str, found: Sequence[Combination]) -> Table:
    """What a study found: a row for each combination, and below which of them solve the task."""
    varied = [each for each in found[0].names if len({one.names[each] for one in found}) > 1] if found else []
    shared = [value if each in _PLAIN else f"{each} {value}"
              for each, value in (found[0].names.items() if found else ()) if each not in varied]  # fmt: skip
    columns: list[Column[Combination]] = [
        *(Column(each, partial(_named, each), right=each not in _PLAIN, whole=True) for each in varied),
        Column("runs", _runs, right=True),
        Column("solved", lambda one: f"{one.solved}/{len(one.scores)}", right=True),
        Column("mean score", _mean, right=True,
               words_of=lambda one: f"{one.score_name} {with_interval(_mean(one), score_text)}" if one.scores else ""),
        Column("lowest", lambda one: min(one.scores, default=None), "", "float64", write=score_text),
        Column("highest", lambda one: max(one.scores, default=None), "", "float64", write=score_text),
    ]  # fmt: skip
    if any(one.rates for one in found):  # of runs that shared a machine, no speed was measured
        columns += [
            Column("noisy", lambda one: one.noisy, "", "Int64", write=str),
            Column("seq/s", lambda one: statistics.median(one.rates) if one.rates else None, "", "float64",
                   heading="median\ntrain seq/s"),
        ]  # fmt: skip
    title = ", ".join([f"Study {name}", *shared])
    leaving = ("seq/s", "noisy", "highest", "lowest")
    return Table.of(columns, found, title=title, layout="airy", leaving=leaving, notes=[Cell(answer(found, varied))])


def _named(name: str, one: Combination) -> str:
    return one.names[name]


def _runs(one: Combination) -> str:
    return f"{len(one.scores)}" + (f" + {one.not_ok} not ok" if one.not_ok else "")


def answer(found: Sequence[Combination], varied: Sequence[str]) -> str:
    """Which combinations solve the task in every run, and which has the best mean score.

    Args:
        varied: names of what they differ in.
    """
    ran = [one for one in found if one.scores]
    if len(ran) < 2:
        return "Means with their 95 % bootstrap intervals, over the seeds."
    always = [one.text(varied) for one in ran if one.solved == len(one.scores)]
    solving = f"Every run solves it with: {'; '.join(always)}." if always else "None solves it in every run."
    if len(always) == len(ran):
        solving = "Every run of every combination solves it."
    if len({one.score_name for one in ran}) > 1:
        return solving
    best = (max if ran[0].higher_is_better else min)(ran, key=lambda one: statistics.fmean(one.scores))
    return f"{solving} Best mean {best.score_name}: {best.text(varied)}."


def _mean(one: Combination) -> Average:
    return averaged(one.scores, statistics.fmean, np.mean)
