"""How fast an update is against what it should be: every ratio from processes that are alive at once and take turns.

    python tests/bench/targets.py [--only NAME …] [--shape SHAPE …] [--backend NAME …] [--rounds N] [--json FILE]

A training step (forward, backward, clip, Adam) of one layer on the CPU, 2 threads, float32, denormals flushed, readout at
the last step, mean squared error. A ratio is seconds per update of the one side over those of the other, round by round;
the interval is a bootstrap of the median, 95 %, and a target is met where the interval reaches it. One contest is one
process per side: where buffers happen to lie in memory moves a whole process by a few percent, which no interval here
shows; ``--repeats`` holds every contest again, with new processes, and pools their rounds.

What is measured, by the name that ``--only`` takes:

  stock      ``auto`` against the framework's stock layer in a bare script, LSTM and GRU
  keras      ``auto`` against ``model.fit`` of Keras on the same framework, shape A, LSTM
  numpy      NumPy's LSTM against a bare script's ``torch.nn.LSTM``
  textbook   NumPy's LSTM against its variant ``textbook``
  gemm       ``auto``, LSTM, shape E: GFLOP/s over those of a large product, the highest median of any backend in the call
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sides
from sides import SHAPES, Estimate, Outcome, Shape, Side, estimate

FRAMEWORKS = ("torch", "tensorflow", "jax")
#: Geometric means over the shapes.
STOCK_MEANS = {
    ("torch", "gru"): 1.3,
    ("tensorflow", "lstm"): 1.2,
    ("jax", "lstm"): 1.4,
    ("jax", "gru"): 1.4,
}
KERAS = {"tensorflow": 1.5, "jax": 1.3, "torch": 5.0}
#: An epoch has a cost of its own, which a short one would lay on a few updates.
KERAS_BLOCK_S = 1.0
TEXTBOOK = 3.0
GEMM = 0.6


@dataclass(frozen=True)
class Row:
    """A line of the table; ``got`` is None where there is a reason instead."""

    measure: str
    wanted: float | None
    got: Estimate | None
    pairs: int = 0
    reason: str | None = None

    @property
    def met(self) -> bool | None:
        if self.wanted is None or (self.got is None and self.reason is None):
            return None
        return self.got is not None and self.got.high >= self.wanted

    def markdown(self) -> str:
        got = f"{self.got.median:.2f} ({self.got.low:.2f}–{self.got.high:.2f})" if self.got else self.reason or ""
        wanted = "" if self.wanted is None else f"≥ {self.wanted:g}"
        met = {None: "", True: "yes", False: "no"}[self.met]
        return f"| {self.measure} | {wanted} | {got} | {met} |"


@dataclass(frozen=True)
class How:
    """What all contests of a call have in common."""

    shapes: dict[str, Shape]
    backends: Sequence[str]
    rounds: int
    block_s: float
    repeats: int

    def contest(self, *taking_part: Side, block_s: float | None = None, limits: bool = False) -> dict[str, Outcome]:
        """Held ``repeats`` times; the rounds of all times together."""
        found: dict[str, Outcome] = {}
        start = time.perf_counter()
        for repeat in range(self.repeats):
            held = sides.contest(taking_part, self.rounds, block_s or self.block_s, limits)
            for name, outcome in held.items():
                outcome.blocks = {repeat * self.rounds + number: block for number, block in outcome.blocks.items()}
                if name in found:
                    outcome.blocks |= found[name].blocks
                    outcome.gflops += found[name].gflops
                found[name] = outcome
        names = ", ".join(side.name for side in taking_part)
        print(f"{time.perf_counter() - start:5.1f} s  {names}", file=sys.stderr, flush=True)
        return found


class Mean:
    """Samples by shape on their way to a geometric mean."""

    def __init__(self, measure: str, wanted: float | None) -> None:
        self.measure, self.wanted = measure, wanted
        self.samples: dict[str, list[float]] = {}
        self.lacking: list[str] = []

    def row(self, shape: str, reference: Outcome, *others: Outcome, wanted: float | None = None) -> Row:
        """The row of one shape: the ratio of the fastest of ``others``."""
        label = f"{self.measure}, {shape}"
        there = [other for other in others if not other.reason]
        if reference.reason or not there:
            self.lacking.append(shape)
            failed = reference if reference.reason else others[0]
            return Row(label, wanted, None, reason=f"{failed.heard.get('variant') or 'a side'}: {failed.reason}")
        best = min(there, key=Outcome.seconds)
        sample = self.samples[shape] = sides.pairs(reference, best)
        name = f" ({best.heard.get('variant')})" if len(others) > 1 else ""
        return Row(label + name, wanted, estimate(sample), len(sample))

    def rows(self) -> Iterator[Row]:
        """The geometric mean, which has no verdict unless all six shapes are in it."""
        if not self.samples and not self.lacking:
            return
        label, pairs = f"{self.measure}, geometric mean", sum(map(len, self.samples.values()))
        if self.lacking:
            yield Row(label, self.wanted, None, reason=f"nothing for {', '.join(self.lacking)}")
        elif set(self.samples) == set(SHAPES):
            yield Row(label, self.wanted, estimate(*self.samples.values()), pairs)
        else:
            yield Row(f"{label} of {', '.join(self.samples)}", None, estimate(*self.samples.values()), pairs)


def stock(how: How) -> Iterator[Row]:
    for framework in FRAMEWORKS:
        for cell in ("lstm", "gru") if framework in how.backends else ():
            mean = Mean(f"{framework} {cell}: auto / bare script", STOCK_MEANS.get((framework, cell)))
            for name, shape in how.shapes.items():
                found = how.contest(
                    sides.bare(f"bare {framework} {cell} {name}", framework, cell, shape),
                    sides.ours(f"{framework} {cell} {name} auto", framework, "auto", cell, shape),
                )
                reference, auto = found.values()
                yield mean.row(name, reference, auto, wanted=1.0)
            yield from mean.rows()


def keras(how: How) -> Iterator[Row]:
    for framework, wanted in KERAS.items():
        if framework in how.backends:
            found = how.contest(
                sides.keras_fit(f"model.fit on {framework}", framework, "lstm", SHAPES["A"]),
                sides.ours(f"{framework} auto", framework, "auto", "lstm", SHAPES["A"]),
                block_s=KERAS_BLOCK_S,
            )
            reference, auto = found.values()
            yield Mean(f"{framework} lstm: auto / Keras model.fit", None).row("A", reference, auto, wanted=wanted)


def numpy(how: How) -> Iterator[Row]:
    if not {"numpy", "torch"} <= set(how.backends):
        return
    pure = Mean("numpy lstm: pure NumPy / bare torch", 0.75)
    numba = Mean("numpy lstm: numba / bare torch", 0.95)
    for name, shape in how.shapes.items():
        found = how.contest(
            sides.bare(f"bare torch {name}", "torch", "lstm", shape),
            *(sides.ours(f"numpy {v} {name}", "numpy", v, "lstm", shape) for v in ("hoisted", "halves", "numba")),
        )
        torch, hoisted, halves, compiled = found.values()
        yield pure.row(name, torch, hoisted, halves)
        yield numba.row(name, torch, compiled)
    yield from pure.rows()
    yield from numba.rows()


def textbook(how: How) -> Iterator[Row]:
    if "numpy" not in how.backends:
        return
    means = [Mean(f"numpy lstm: {variant} / textbook", TEXTBOOK) for variant in ("numba", "hoisted")]
    for name, shape in how.shapes.items():
        found = how.contest(
            *(sides.ours(f"numpy {v} {name}", "numpy", v, "lstm", shape) for v in ("textbook", "numba", "hoisted"))
        )
        reference, *others = found.values()
        for mean, other in zip(means, others, strict=True):
            yield mean.row(name, reference, other, wanted=TEXTBOOK)
    for mean in means:
        yield from mean.rows()


def gemm(how: How) -> Iterator[Row]:
    found = how.contest(
        *(sides.ours(f"{name} auto", name, "auto", "lstm", SHAPES["E"]) for name in how.backends), limits=True
    )
    roof = max((float(np.median(outcome.gflops)) for outcome in found.values() if outcome.gflops), default=None)
    for name, outcome in zip(how.backends, found.values(), strict=True):
        label = f"{name} lstm: {outcome.heard.get('variant', 'auto')}, share of the GEMM rate, E"
        if outcome.reason or roof is None:
            yield Row(label, GEMM, None, reason=outcome.reason or "nobody read the GEMM rate")
            continue
        flops = outcome.heard["flops_per_step"]
        shares = [flops * block.steps / block.seconds / 1e9 / roof for block in outcome.blocks.values()]
        yield Row(label, GEMM, estimate(shares), len(shares))


MEASURES: dict[str, Callable[[How], Iterator[Row]]] = {
    "stock": stock,
    "keras": keras,
    "numpy": numpy,
    "textbook": textbook,
    "gemm": gemm,
}


def shapes(words: Iterable[str]) -> dict[str, Shape]:
    """Named ones, or ``BATCHxLENGTHxFEATURESxHIDDEN``."""
    found: dict[str, Shape] = {}
    for word in words:
        if word in SHAPES:
            found[word] = SHAPES[word]
        else:
            batch, length, features, hidden = map(int, word.split("x"))
            found[word] = (batch, length, features, hidden)
    return found


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Every target of an update's speed, as a Markdown table.")
    backends = ("numpy", *FRAMEWORKS)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    parser.add_argument("--shape", nargs="+", default=list(SHAPES), help="A to F, or BATCHxLENGTHxFEATURESxHIDDEN")
    parser.add_argument("--backend", nargs="+", choices=backends, default=list(backends), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=12, help="turns that each side takes")
    parser.add_argument("--block", type=float, default=0.15, help="seconds that a turn should take")
    parser.add_argument("--repeats", type=int, default=1, help="times that a contest is held, with new processes")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)
    how = How(shapes(given.shape), given.backend, given.rounds, given.block, given.repeats)
    rows: list[Row] = []
    print("| measure | wanted | got (95 % interval) | met |\n|---|---|---|---|", flush=True)
    for name in given.only:
        for row in MEASURES[name](how):
            print(row.markdown(), flush=True)
            rows.append(row)
            if given.json:  # after each: a call that is broken off keeps what it has
                kept = [{**asdict(each), "met": each.met} for each in rows]
                given.json.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
