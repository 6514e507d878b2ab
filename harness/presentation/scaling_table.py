"""How cost grows, as tables: the line ms = a + b·work of each contestant over a size, and what threads gain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.analysis.interval import Average
from harness.analysis.scaling import TOLERANCE, Fit, Line, Scaling, fit, gains, scalings, work_of
from harness.presentation.contest_words import line_name, ordered, title
from harness.presentation.table import Cell, Column, Table
from harness.records.speed import SpeedRecord
from harness.text import number, printable

#: What one more of a size is called, where each costs as much.
_ONE = {"length": "step", "batch": "sequence"}
#: Columns that leave first where a terminal has no room for all.
LEAVING = ("off", "gemm_share", "each")


class Grown(NamedTuple):
    """A line with its fit."""

    line: Line
    fit: Fit
    share: Average | None


class Gained(NamedTuple):
    """A line over numbers of threads: what each gains over the first."""

    line: Line
    gains: Sequence[Average]


def tables(record: SpeedRecord) -> Iterator[Table]:
    """A table for each set of contests of which something can be said."""
    for scaling in scalings(record):
        if (made := table(record, scaling)) is not None:
            yield made


def table(record: SpeedRecord, scaling: Scaling) -> Table | None:
    """What can be said of one set of contests; None for nothing."""
    return _threads(scaling) if scaling.name == "threads" else _growth(record, scaling)


def in_full(average: Average | None) -> str:
    """As in "3.2 (3.1–3.4)"; an end that is not known is left open: "3.2 (3.1–)"."""
    if average is None or average.value is None:
        return ""
    if average.low is None and average.high is None:
        return number(average.value)
    low, high = ("" if end is None else number(end) for end in (average.low, average.high))
    return f"{number(average.value)} ({low}–{high})"


def variants(line: Line) -> str:
    """What computed: "nn", or where auto changes, "nn-kept, from 400 parts"."""
    (first, _), *later = line.stages
    return printable(", ".join([first, *(f"from {at} {variant}" for variant, at in later)]))


def _backend(line: Line) -> str:
    return line.rows[0].spec.backend


def _growth(record: SpeedRecord, scaling: Scaling) -> Table | None:
    """The fits over one size; None where no contestant has enough sizes."""
    found = [Grown(line, made, _share(scaling, made)) for line in ordered(scaling.lines) if (made := fit(line))]
    if not found:
        return None
    one = _ONE.get(scaling.name)
    device = len({each.line.place[1] for each in found}) > 1
    columns: list[Column[Grown]] = [
        Column("backend", lambda each: _backend(each.line)),
        *([Column[Grown]("device", lambda each: each.line.place[1])] if device else []),
        Column("variant", lambda each: variants(each.line)),
        Column("fixed", lambda each: _of(each, each.fit.a), heading="fixed\nms", write=in_full, right=True, whole=True),
        Column(
            "rate", lambda each: _of(each, each.fit.rate), heading="rate\nGFLOP/s", write=in_full, right=True,
            whole=True,
        ),
        Column("gemm_share", lambda each: _of(each, each.share), heading="% GEMM", write=_percent, right=True,
               whole=True),
    ]  # fmt: skip
    if one:
        columns.append(
            Column("each", lambda each: _of(each, each.fit.each), heading=f"µs per\n{one}", write=in_full, right=True,
                   whole=True)
        )  # fmt: skip
    columns.append(
        Column("off", lambda each: abs(each.fit.departure), heading="off by\n%", write=lambda x: number(100 * x, 2),
               right=True, whole=True)
    )  # fmt: skip
    return Table.of(
        columns,
        found,
        title=printable(f"Cost against {scaling.name}: {title(scaling.contests[0], without=(scaling.name,))}"),
        about=printable(f"ms = fixed + work / rate, over {scaling.name} {_list(scaling.values)}"),
        leaving=LEAVING,
        notes=[Cell(printable(_bent(record, each))) for each in found if not each.fit.holds],
    )


def _of(each: Grown, average: Average | None) -> Average | None:
    """A figure of a line that holds."""
    return average if each.fit.holds else None


def _share(scaling: Scaling, made: Fit) -> Average | None:
    """The rate of the products beyond the fixed cost, as a share of a large matrix product's."""
    gemm = scaling.roof(made.line.rows[0]).gemm_gflops
    if gemm is None or made.rate is None:
        return None
    return Average(*(None if value is None else value / gemm for value in made.rate))


def _percent(share: Average) -> str:
    return "" if share.value is None else number(100 * share.value)


def _bent(record: SpeedRecord, each: Grown) -> str:
    """Where a line does not hold: "torch nn: no straight line: 43 % too low at hidden 64"."""
    off, name = each.fit.departure, line_name(record, each.line)
    how = f"{number(abs(100 * off), 2)} % {'below' if off < 0 else 'above'} what was measured"
    return f"{name}: no straight line: the best one is {how} at {each.line.size} {each.fit.at}"


def _list(values: Sequence[int]) -> str:
    """As in "25, 50 and 100"."""
    *first, last = map(number, values)
    return f"{', '.join(first)} and {last}"


def _threads(scaling: Scaling) -> Table | None:
    """What threads gain, for everyone who was measured with all numbers of them."""
    found = [Gained(line, gains(line)) for line in ordered(scaling.lines) if line.sizes == scaling.values]
    if not found:
        return None
    device = len({each.line.place[1] for each in found}) > 1
    columns: list[Column[Gained]] = [
        Column("backend", lambda each: _backend(each.line)),
        *([Column[Gained]("device", lambda each: each.line.place[1])] if device else []),
        Column("variant", lambda each: variants(each.line)),
        *(_gain(at, threads) for at, threads in enumerate(scaling.values[1:])),
    ]
    first = scaling.values[0]
    return Table.of(
        columns,
        found,
        title=printable(f"What threads gain: {title(scaling.contests[0])}"),
        about=f"how many times as fast as with {first} thread{'s' * (first > 1)} an update is",
    )


def _gain(at: int, threads: int) -> Column[Gained]:
    return Column(
        f"threads_{threads}", lambda each: each.gains[at], heading=f"× with {threads}", write=in_full, right=True,
        whole=True,
    )  # fmt: skip


def legend(record: SpeedRecord) -> list[str]:
    """What these tables' columns mean; nothing where there are none."""
    found = list(scalings(record))
    lines = []
    if any(work_of(line) for each in found if each.name != "threads" for line in each.lines):
        lines.append(
            "Cost against a size: the straight line through the medians, ms/step = fixed + work / rate, work being the "
            "FLOPs of the matrix products; with 95 % intervals over rounds. fixed: what no product explains. % GEMM: "
            f"the rate, of a large product's. off by: the largest distance from a median; beyond {100 * TOLERANCE:g} % "
            "and the median's interval there is no straight line. Nothing is said of sizes between or beyond."
        )
    return lines
