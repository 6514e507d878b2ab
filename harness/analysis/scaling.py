"""How cost grows over contests that differ in one size: the line ms = a + b·work, and what threads gain.

Work is the FLOPs of an update's matrix products, so that 1/b is a rate beside the machine's own, and a is what an
update costs however small its products are: dispatch, and steps that wait for one another. Both are said of the sizes
that were measured and of no others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backends.job import Device
from harness.analysis.interval import FEWEST, RESAMPLES, Average, interval
from harness.analysis.roofline import by_threads, roofs_of
from harness.records.speed import Contest, Roof, Row, SpeedRecord
from harness.specs.shapes import SIZES

#: Sizes below which a line would pass through all of them, or nearly so.
FEWEST_SIZES = 3
#: Relative: contests of two sizes are minutes apart, and may differ by so much though the rounds of each agree.
APART = 0.01
#: Relative departure of the measured times beyond which there is no straight line.
TOLERANCE = 0.1
#: A limit further above the curves than so many times would only press them together in a figure.
ABOVE = 20
#: Sizes of the model; the others are of the data, or of the machine.
_OF_MODEL = ("hidden", "layers")
Array = NDArray[np.float64]


def size(row: Row, name: str) -> int:
    """One of the sizes that a list may vary: of ``harness.specs.shapes.SIZES``."""
    value: int = getattr(row.spec.model if name in _OF_MODEL else row.spec, name)
    return value


# -- which contests belong together ---------------------------------------------------------------
@dataclass(frozen=True)
class Line:
    """One way of computing, over the sizes at which it was measured.

    Attributes:
        size: the name of the size that varies.
        asked: ``auto``, or the variant.
        rows: by ascending size, all with figures.
    """

    size: str
    asked: str
    rows: Sequence[Row]

    @property
    def place(self) -> tuple[str, str]:
        """Backend and device."""
        return self.rows[0].place

    @cached_property
    def sizes(self) -> list[int]:
        """At which it was measured, ascending."""
        return [size(row, self.size) for row in self.rows]

    @property
    def stages(self) -> list[tuple[str, int]]:
        """The variants that computed, each with the size from which on it did: several only where ``auto`` changes."""
        found: list[tuple[str, int]] = []
        for at, row in zip(self.sizes, self.rows, strict=True):
            if not found or found[-1][0] != row.current_variant:
                found.append((row.current_variant, at))
        return found

    @property
    def tier(self) -> str | None:
        """Of all its rows; None where they are of several."""
        tiers = {row.tier for row in self.rows}
        return self.rows[0].tier if len(tiers) == 1 else None

    @property
    def times(self) -> list[list[float]]:
        """Milliseconds per update, block by block, for each size."""
        return [[1e3 * block.step_s for block in row.blocks] for row in self.rows]


@dataclass(frozen=True)
class Scaling:
    """Contests of one call that differ in one size alone.

    Attributes:
        name: of the size.
        contests: by ascending size, of at least two sizes.
    """

    name: str
    contests: Sequence[Contest]

    @cached_property
    def values(self) -> list[int]:
        """The sizes, ascending."""
        return sorted({size(contest.rows[0], self.name) for contest in self.contests})

    @cached_property
    def lines(self) -> list[Line]:
        """Every way of computing that has figures; ``auto`` is one, whichever variants it stands for.

        Where ``auto`` stands for the stock layer, its row belongs to both.
        """
        found: dict[tuple[str, str, str], list[Row]] = {}
        for contest in self.contests:
            for row in contest.rows:
                if row.figures is None:
                    continue
                auto = row.spec.variant == "auto"
                names = ["auto"] if auto else [row.current_variant]
                if auto and row.tier == "default":
                    names.append(row.current_variant)
                for name in names:
                    found.setdefault((*row.place, name), []).append(row)
        lines = [Line(self.name, asked, rows) for (_, _, asked), rows in found.items()]
        autos = {(line.place, tuple(map(id, line.rows))) for line in lines if line.asked == "auto"}
        # where auto is the stock layer at every size, one line says it
        return [line for line in lines if line.asked == "auto" or (line.place, tuple(map(id, line.rows))) not in autos]

    def roof(self, row: Row) -> Roof:
        """What the row's device gives with its threads, over all these contests."""
        return self.roofs[row.spec.threads].get(row.spec.device, Roof())

    @cached_property
    def roofs(self) -> dict[int, dict[Device, Roof]]:
        """What each device gives, by the number of threads."""
        return {threads: roofs_of(found) for threads, found in by_threads(self.contests).items()}


def scalings(record: SpeedRecord) -> Iterator[Scaling]:
    """The sets of a call's contests that differ in one size alone, size by size."""
    for name in SIZES:
        sets: dict[str, list[Contest]] = {}
        for contest in record.contests:
            sets.setdefault(_apart_from(name, contest), []).append(contest)
        for found in sets.values():
            ordered = sorted(found, key=lambda contest: size(contest.rows[0], name))
            scaling = Scaling(name, ordered)
            if len(scaling.values) > 1 and any(row.figures for contest in found for row in contest.rows):
                yield scaling


def _apart_from(name: str, contest: Contest) -> str:
    """All that a contest's rows share but one size."""
    shape: dict[str, Any] = contest.rows[0].spec.shape()
    (shape["model"] if name in _OF_MODEL else shape)[name] = None
    if name == "length":  # a named shape's shortest length and labels follow it
        shape |= {follower: bool(shape[follower]) for follower in ("shortest", "labels")}
    return json.dumps(shape, sort_keys=True)


# -- the machine's limits -------------------------------------------------------------------------
class Limit(NamedTuple):
    """What one limit alone would allow, over the sizes.

    Attributes:
        kind: ``products``, ``copy`` or ``steps``.
        words: what an update would do and nothing else.
        device: whose limit it is.
        backend: whose latency of steps it is; empty for a limit of the machine's.
        sizes: ascending.
        rates: sequences per second.
    """

    kind: str
    words: str
    device: str
    backend: str
    sizes: Sequence[int]
    rates: Sequence[float]


#: The kinds of limits, in words.
_KINDS = {"products": "matrix products alone", "copy": "fewest bytes alone", "steps": "dependent steps alone"}


def limits(scaling: Scaling) -> Iterator[Limit]:
    """The limits of each device, and of each backend on it, as far as they were measured in the same call."""
    places = {line.place: line for line in sorted(scaling.lines, key=lambda line: len(line.rows))}  # the longest
    told = set()
    for kind, words in _KINDS.items():
        for (backend, device), line in sorted(places.items()):
            whose = backend if kind == "steps" else ""
            points = [
                (at, 1e3 * row.spec.batch / ms)
                for at, row in zip(line.sizes, line.rows, strict=True)
                if (ms := least_ms(kind, row, scaling.roof(row)))
            ]
            if len(points) > 1 and (kind, whose, device) not in told:
                told.add((kind, whose, device))
                sizes, rates = zip(*points, strict=True)
                yield Limit(kind, words, device, whose, sizes, rates)


def least_ms(kind: str, row: Row, roof: Roof) -> float | None:
    """Milliseconds that an update's products, copy or steps take at the roof's rates; None where not measured."""
    ready = row.ready
    if ready is None:
        return None
    if kind == "products":
        return ready.flops_per_step / roof.gemm_gflops / 1e6 if ready.flops_per_step and roof.gemm_gflops else None
    if kind == "copy":
        return ready.bytes_per_step / roof.copy_gb_per_s / 1e6 if ready.bytes_per_step and roof.copy_gb_per_s else None
    us = roof.us_per_step.get(row.spec.backend)
    return us * ready.dependent_steps / 1e3 if us and ready.dependent_steps else None


# -- the growth of cost with work -----------------------------------------------------------------
class Coefficients(NamedTuple):
    """Of ms = a + b·work: numbers, or arrays of one number for each resample."""

    a: Any
    b: Any


@dataclass(frozen=True)
class Fit:
    """The straight line through a line's medians.

    Attributes:
        line: whose it is.
        work: GFLOP of an update's matrix products, for each size.
        a: milliseconds that no work explains.
        b: milliseconds per GFLOP.
        departure: (line − measured) / measured, where it is largest.
        at: the size where it is.
        holds: whether the measured times lie on the line.
    """

    line: Line
    work: Sequence[float]
    a: Average
    b: Average
    departure: float
    at: int
    holds: bool

    @property
    def rate(self) -> Average | None:
        """1/b, GFLOP/s: no upper end where b may be zero. None where time does not grow with work."""
        if self.b.value is None or self.b.value <= 0:
            return None
        ends = (None if end is None or end <= 0 else 1e3 / end for end in (self.b.high, self.b.low))
        return Average(1e3 / self.b.value, *ends)

    @property
    def each(self) -> Average | None:
        """Microseconds of one more step or sequence; None of sizes with which work does not grow evenly."""
        if self.line.size not in ("length", "batch"):
            return None
        per_unit = (self.work[-1] - self.work[0]) / (self.line.sizes[-1] - self.line.sizes[0])
        return Average(*(None if value is None else 1e3 * per_unit * value for value in self.b))


def work_of(line: Line) -> list[float] | None:
    """GFLOP of an update's matrix products, for each size; None where that is unknown, or a line would say nothing."""
    found = [row.ready.flops_per_step / 1e9 for row in line.rows if row.ready and row.ready.flops_per_step]
    timed = all(block.seconds > 0 for row in line.rows for block in row.blocks) and all(row.blocks for row in line.rows)
    return found if timed and len(found) == len(line.rows) and len(set(found)) >= FEWEST_SIZES else None


def fit(line: Line) -> Fit | None:
    """The line ms = a + b·work: least squares of relative errors, each size weighted by how well it is known.

    The weight of a size is 1/(σ² + 1 %²), σ the relative error of its median as resampled rounds show it. Intervals
    are 95 % percentile bootstrap over rounds, each size for itself; where the medians scatter about the line by more
    than their weights allow, they are as many times as wide (the Birge ratio). The line holds unless at some size it
    departs from the median by more than ``TOLERANCE`` and leaves the median's interval too.

    Returns:
        None where ``work_of`` is.
    """
    if (gflop := work_of(line)) is None:
        return None
    work, times = np.array(gflop), line.times
    medians = np.array([np.median(values) for values in times])
    known = min(map(len, times)) >= FEWEST
    resampled = _resampled(times) if known else medians[None, :]
    weights = 1 / ((resampled.std(axis=0) / medians) ** 2 + APART**2)
    a, b = _solved(medians[None, :], work, weights)
    off = (a + b * work) / medians - 1
    scatter = math.sqrt(float((weights * off**2).sum()) / (len(work) - 2))
    found = _solved(resampled, work, weights) if known else Coefficients(None, None)
    at = int(np.abs(off).argmax())
    return Fit(
        line,
        gflop,
        _average(float(a[0]), found.a, max(1.0, scatter)),
        _average(float(b[0]), found.b, max(1.0, scatter)),
        float(off[at]),
        line.sizes[at],
        not any(map(_departs, a + b * work, medians, times)),
    )


def _solved(times: Array, work: Array, weights: Array) -> Coefficients:
    """a and b for each row of times, (resamples, sizes), by the normal equations of Σ w·((a + b·work)/t − 1)²."""
    scale = work.max()
    x = work / scale
    inverse = 1 / times
    s0, s1, s2 = ((weights * x**power * inverse**2).sum(axis=1) for power in (0, 1, 2))
    r0, r1 = ((weights * x**power * inverse).sum(axis=1) for power in (0, 1))
    determinant = s0 * s2 - s1**2
    return Coefficients((s2 * r0 - s1 * r1) / determinant, (s0 * r1 - s1 * r0) / determinant / scale)


def _resampled(times: Sequence[Sequence[float]]) -> Array:
    """Medians of resampled rounds, (resamples, sizes); the same draws for the same numbers of rounds."""
    random = np.random.default_rng(0)
    columns = []
    for values in times:
        drawn = random.integers(0, len(values), (RESAMPLES, len(values)))
        columns.append(np.median(np.asarray(values)[drawn], axis=1))
    return np.stack(columns, axis=1)


def _average(value: float, resampled: Array | None, wider: float = 1.0) -> Average:
    """A value with the 95 % interval of its resamples, made ``wider`` about the value."""
    if resampled is None:
        return Average(value, None, None)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Average(value, value + wider * min(0.0, low - value), value + wider * max(0.0, high - value))


def _departs(on_line: float, median: float, times: Sequence[float]) -> bool:
    low, high = interval(times) or (median, median)
    return bool(abs(on_line / median - 1) > TOLERANCE and not low <= on_line <= high)


# -- threads --------------------------------------------------------------------------------------
def gains(line: Line) -> list[Average]:
    """For each size but the first, how many times as fast as at the first an update is.

    The contests were held one after the other, so that their rounds are no pairs: medians are resampled each for
    itself.
    """
    times = line.times
    medians = [float(np.median(values)) for values in times]
    known = min(map(len, times)) >= FEWEST
    resampled = _resampled(times) if known else None
    return [
        _average(medians[0] / medians[at], None if resampled is None else resampled[:, 0] / resampled[:, at])
        for at in range(1, len(times))
    ]
