"""What ``auto`` should reach on a CPU, against what speed records say.

    python tests/bench/cpu_targets.py FOLDER … [--tuned FILE] [--json FILE]

Reads records of ``harness speed --shape all --cell lstm,gru`` with ``--variant all``, ``--variant auto,default`` or
``--measure predict``, of two threads. Nothing is measured here, so that anyone can make the table again from published
records. What ``auto`` takes is in FILE, the choices of ``harness tune`` on the machine that made the records; for a
contest that is not there, and without a file, it is what ``auto`` takes here. Of several contests of one shape, the one
with the most variants of the backend counts, and of those the last.

A ratio is taken round by round between contestants of one contest, which were alive at the same time; its interval is a
bootstrap of the median, 95 %. A target is met where the whole interval reaches it. Where ``auto`` takes the very
variant that was the fastest, their ratio is 1.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contested import Side, fastest, is_rival, median_ms, pairs, ratio, show_targets, stock_layer
from rows import Estimate, Row, estimate
from wanted import BEST, COMPILED, COMPILED_AT, GEMM, PREDICTION_STOCK, RIVAL, STOCK

from harness.processes import supervise
from harness.processes.channel import WorkerDied
from harness.records import tuned
from harness.records.speed import Contest
from harness.records.speed import Row as Contestant
from harness.specs.shapes import SHAPES

BACKENDS = ("numpy", "torch", "tensorflow", "jax")
CELLS = ("lstm", "gru")
THREADS = 2
#: Variants of a backend in a contest of its own, at the least; with fewer it is one across backends.
SEVERAL = 3
Named = Mapping[tuple[str, str], Contest]
"""A contest by the name of its shape and the cell."""


def rows(contests: Sequence[Contest]) -> Iterator[Row]:
    """Every target."""
    named = [contest for contest in contests if counts(contest)]
    predicted = [contest for contest in named if contest.predicts]
    if trained := [contest for contest in named if not contest.predicts]:
        yield from choices(trained)
        yield from across(trained)
    if predicted:
        yield from predictions(predicted)


def choices(contests: Sequence[Contest]) -> Iterator[Row]:
    """``auto`` beside all variants of its backend: the best of them, the rivals, the stock layer."""
    for backend in BACKENDS:
        held = largest(contests, backend)
        autos = taken_by_auto(backend, held)
        for cell in CELLS:
            samples = {}
            for shape in SHAPES:
                where, contest = f"{backend} {cell} {shape}", held.get((shape, cell))
                if contest is None:
                    yield Row(f"{where}: auto / the best variant", BEST, None, reason="no such contest")
                    continue
                auto, stock = autos[shape, cell], stock_layer(contest.rows, backend)
                yield beside_the_best(where, contest.rows, backend, auto)
                rival = fastest(contest.rows, backend, is_rival)
                if not isinstance(rival, str):
                    yield ratio(f"{where}: auto / {rival.variant}", RIVAL, rival, auto, surely=True)
                if not isinstance(auto, str) and not isinstance(stock, str):
                    samples[shape] = pairs(stock, auto)
                    yield ratio(f"{where}: auto / stock layer", None, stock, auto)
            yield mean(f"{backend} {cell}: auto / stock layer", STOCK.get((backend, cell)), samples)


def beside_the_best(where: str, rows: Sequence[Contestant], backend: str, auto: Side) -> Row:
    """``auto`` against the fastest of those that it may take."""
    measure = f"{where}: auto / the best variant"
    best = fastest(rows, backend, lambda row: row.tier != "fused" and not is_rival(row))
    if not isinstance(best, str) and best is auto:
        return Row(f"{measure}, {best.variant}", BEST, Estimate(1, 1, 1), len(best.blocks), surely=True)
    name = best if isinstance(best, str) else best.variant
    return ratio(f"{measure}, {name}", BEST, best, auto, surely=True)


def across(contests: Sequence[Contest]) -> Iterator[Row]:
    """LSTM: NumPy beside torch's stock layer, and the best share of the GEMM rate of any backend."""
    both = largest([each for each in contests if {"numpy", "torch"} <= backends_of(each)], "numpy", fewest=1)
    samples = {}
    for shape in SHAPES:
        if contest := both.get((shape, "lstm")):
            numpy, torch = fastest(contest.rows, "numpy"), stock_layer(contest.rows, "torch")
            yield ratio(f"numpy lstm {shape}: auto / torch's layer", COMPILED_AT.get(shape), torch, numpy, surely=True)
            if not isinstance(numpy, str) and not isinstance(torch, str):
                samples[shape] = pairs(torch, numpy)
    yield mean("numpy lstm: auto / torch's layer", COMPILED, samples)
    for shape, wanted in GEMM.items():
        of = [row for each in contests if each.name == shape for row in each.rows if row.spec.model.cell == "lstm"]
        shares = [row for row in of if row.figures and row.figures.gemm_share and row.tier != "fused"]
        if not shares:
            yield Row(f"lstm {shape}: share of the GEMM rate", wanted, None, reason="nobody's was measured")
            continue
        best = max(shares, key=share)
        per_block = [share(best) * median_ms(best) / (1e3 * each.step_s) for each in best.blocks]
        label = f"lstm {shape}: share of the GEMM rate, the best: {best.spec.backend} {best.variant}"
        yield Row(label, wanted, estimate(per_block), len(per_block), surely=True)


def predictions(contests: Sequence[Contest]) -> Iterator[Row]:
    """LSTM: prediction by ``auto`` beside that by the stock layer."""
    for backend in BACKENDS:
        samples = {}
        held = largest(contests, backend, fewest=2)
        autos = taken_by_auto(backend, held)
        for shape in SHAPES:
            if contest := held.get((shape, "lstm")):
                auto, stock = autos[shape, "lstm"], stock_layer(contest.rows, backend)
                yield ratio(f"{backend} lstm {shape}: prediction by auto / by stock layer", None, stock, auto)
                if not isinstance(auto, str) and not isinstance(stock, str):
                    samples[shape] = pairs(stock, auto)
        yield mean(f"{backend} lstm: prediction by auto / by stock layer", PREDICTION_STOCK, samples)


def mean(measure: str, wanted: float | None, samples: Mapping[str, Sequence[float]]) -> Row:
    """A geometric mean over all six shapes; over fewer it has no verdict."""
    label = f"{measure}, geometric mean"
    if not samples:
        return Row(label, wanted, None, reason="no such contest")
    if missing := [shape for shape in SHAPES if shape not in samples]:
        label, wanted = f"{label} without {', '.join(missing)}", None
    count = sum(map(len, samples.values()))
    return Row(label, wanted, estimate(*samples.values()), count, surely=True)


def largest(contests: Sequence[Contest], backend: str, fewest: int = SEVERAL) -> Named:
    """For each shape and cell, the contest with the most variants of ``backend``; of those the last."""
    found: dict[tuple[str, str], Contest] = {}
    for contest in contests:
        key = str(contest.name), contest.rows[0].spec.model.cell
        if own(contest, backend) >= max(fewest, own(found[key], backend) if key in found else 0):
            found[key] = contest
    return found


def own(contest: Contest, backend: str) -> int:
    """How many variants of ``backend`` have figures."""
    return sum(row.spec.backend == backend and row.figures is not None for row in contest.rows)


def taken_by_auto(backend: str, held: Named) -> dict[tuple[str, str], Side]:
    """The contestant that ``auto`` stands for, in each contest."""
    names = {
        (choice.measured.partition(":")[0], choice.kind.shape.cell): choice.variant
        for choice in tuned.read()
        if choice.kind.backend == backend and choice.kind.threads == THREADS
    }
    unknown = {
        key: next(row.spec for row in contest.rows if row.spec.backend == backend).model_copy(
            update={"variant": "auto"}
        )
        for key, contest in held.items()
        if key not in names
    }
    answer = supervise.variants_for({backend: list(unknown.values())})[backend] if unknown else []
    if isinstance(answer, WorkerDied):
        raise answer
    names |= {key: each["auto"] for key, each in zip(unknown, answer, strict=True)}
    found: dict[tuple[str, str], Side] = {}
    for key, contest in held.items():
        there = (row for row in contest.rows if row.spec.backend == backend and row.figures)
        none = f"auto takes {names[key]}, which did not take part"
        found[key] = next((row for row in there if row.variant == names[key]), none)
    return found


def backends_of(contest: Contest) -> set[str]:
    """Those that have figures."""
    return {row.spec.backend for row in contest.rows if row.figures}


def counts(contest: Contest) -> bool:
    """Whether it is one of a named shape on the CPU, as it is named."""
    named = contest.name in SHAPES and not contest.changed
    return named and contest.devices == ["cpu"] and contest.rows[0].spec.threads == THREADS


def share(row: Contestant) -> float:
    """Of the GEMM rate."""
    assert row.figures is not None
    assert row.figures.gemm_share is not None
    return row.figures.gemm_share


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What auto should reach on a CPU, as a Markdown table.")
    parser.add_argument("places", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--tuned", type=Path, metavar="FILE", help="choices of harness tune for that machine")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)
    if given.tuned is not None:
        os.environ[tuned.VARIABLE] = str(given.tuned)
    show_targets(rows, given.places, given.json)


if __name__ == "__main__":
    main()
