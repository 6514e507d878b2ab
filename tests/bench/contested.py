"""Contestants of speed records, and how many times as fast as another one of them is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rows import Row, estimate, show

import backends
from harness.records.speed import Contest
from harness.records.speed import Row as Contestant
from harness.records.store import read_all

Side = Contestant | str
"""A contestant, or why there is none."""


def ratio(measure: str, wanted: float | None, reference: Side, other: Side, surely: bool = False) -> Row:
    """How many times as fast as ``reference`` the ``other`` is, round by round."""
    for side in (reference, other):
        if isinstance(side, str):
            return Row(measure, wanted, None, reason=side)
    sample = pairs(reference, other)
    if not sample:
        return Row(measure, wanted, None, reason="no round that both held")
    return Row(f"{measure} ({other.variant})", wanted, estimate(sample), len(sample), surely=surely)


def pairs(reference: Contestant, other: Contestant) -> list[float]:
    """Seconds per step of ``reference`` over those of ``other``, for each round that both held."""
    theirs, ours = _seconds(reference), _seconds(other)
    return [theirs[number] / ours[number] for number in sorted(theirs.keys() & ours.keys())]


def _seconds(row: Contestant) -> Mapping[int, float]:
    """Per step, by round."""
    return {block.round: block.seconds / block.steps for block in row.blocks}


def median_ms(row: Contestant) -> float:
    """Of a step."""
    assert row.figures is not None
    return row.figures.step_ms.median


def fastest(
    rows: Sequence[Contestant], backend: str, among: Callable[[Contestant], bool] = lambda row: row.tier != "fused"
) -> Side:
    """The fastest ``among`` a backend's, which are those that dispatch update by update unless told otherwise."""
    own = [row for row in rows if row.spec.backend == backend and among(row)]
    if timed := _timed(own):
        return min(timed, key=median_ms)
    return next((row.reason for row in own if row.reason), f"{backend} has none that took part")


def stock_layer(rows: Sequence[Contestant], backend: str) -> Side:
    """The framework's own."""
    own = [row for row in rows if row.spec.backend == backend and row.tier == "default" and not is_rival(row)]
    if timed := _timed(own):
        return timed[0]
    other = fastest(rows, backend)
    return other if isinstance(other, str) else f"{backend}'s stock layer did not take part"


def is_rival(row: Contestant) -> bool:
    """Whether it is what people get from another library upon the framework."""
    return row.variant is not None and backends.load(row.spec.backend).is_rival(row.variant)


def _timed(rows: Iterable[Contestant]) -> list[Contestant]:
    return [row for row in rows if row.figures]


def show_targets(rows: Callable[[Sequence[Contest]], Iterator[Row]], places: Sequence[Path], json: Path | None) -> None:
    """Print what ``rows`` makes of all contests in the folders ``places``, and keep it in the file ``json``."""
    speeds = read_all(places).speeds
    show(rows([contest for record in speeds for contest in record.contests]), "pairs", json)
