"""What a GPU should reach, against what speed records of one say.

    python tests/bench/gpu_targets.py [FOLDER …] [--json FILE]

Reads records of ``harness speed --device cuda`` (default: results/gpu). Nothing is measured here, so that anyone can
make the table again from published records. A ratio is taken round by round between contestants of one contest, which
were alive at the same time; its interval is a bootstrap of the median, 95 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from contested import fastest, ratio, show_targets, stock_layer
from rows import Row

from harness.presentation.contest_words import title
from harness.records.speed import Contest
from harness.records.speed import Row as Contestant

#: torch's best against its stock layer (cuDNN): more where a step is all launches.
TORCH, TORCH_LAUNCH_BOUND, LAUNCH_BOUND = 1.0, 1.5, ("A", "C")
JAX, JAX_TO_TORCH, CUPY = 2.0, 0.8, 3.0


def rows(contests: Sequence[Contest]) -> Iterator[Row]:
    """Every target at every shape that was contested on CUDA."""
    for contest in contests:
        there = [row for row in contest.rows if row.spec.device == "cuda"]
        if there:
            yield from _of_one(contest, there)


def _of_one(contest: Contest, there: Sequence[Contestant]) -> Iterator[Row]:
    cell, where = there[0].spec.model.cell, title(contest)
    best = {name: fastest(there, name) for name in ("torch", "jax", "numpy")}
    stock = {name: stock_layer(there, name) for name in best}
    plain = TORCH_LAUNCH_BOUND if contest.name in LAUNCH_BOUND else TORCH
    yield ratio(f"torch: best / stock layer, {where}", plain, stock["torch"], best["torch"])
    yield ratio(f"jax: best / scan, {where}", JAX, stock["jax"], best["jax"])
    if cell == "lstm":
        yield ratio(f"jax: best / torch's best, {where}", JAX_TO_TORCH, best["torch"], best["jax"])
    yield ratio(f"numpy: best / textbook, {where}", CUPY, stock["numpy"], best["numpy"])


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What a GPU should reach, as a Markdown table.")
    parser.add_argument("places", nargs="*", type=Path, default=[Path("results/gpu")], metavar="FOLDER")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)
    show_targets(rows, given.places, given.json)


if __name__ == "__main__":
    main()
