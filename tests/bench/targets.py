"""How fast an update is against what it should be: every ratio from processes that are alive at once and take turns.

    python tests/bench/targets.py [--only NAME …] [--shape SHAPE …] [--backend NAME …] [--rounds N] [--json FILE]

A training step (forward, backward, clip, Adam) of one layer on the CPU, 2 threads, float32, denormals flushed, readout
at the last step; sizes and losses are those of the named shapes of ``harness speed``. A ratio is seconds per update of
the one side over those of the other, round by round; the interval is a bootstrap of the median, 95 %, and a target is
met where the interval reaches it. One contest is one process per side: where buffers happen to lie in memory moves a
whole process by a few percent, which no interval here shows; ``--repeats`` holds every contest again, with new
processes, and pools their rounds.

What is measured, by the name that ``--only`` takes:

  stock      ``auto`` against the framework's stock layer in a bare script, LSTM and GRU
  keras      ``auto`` against ``model.fit`` of Keras on the same framework, shape A, LSTM
  tutorial   TensorFlow's ``auto`` against ``model.fit`` on each of Keras's three backends, all four in one contest, on
             the model of many tutorials: LSTM of 50, 100 steps of 10 features, one number out, batches of 64
  numpy      NumPy's LSTM against a bare script's ``torch.nn.LSTM``: ``hoisted`` or ``parts``, and ``numba`` or
             ``native``, whichever of the two is faster at the shape
  textbook   NumPy's ``auto``, LSTM, against its variant ``textbook``
  predict    predictions of ``auto``, LSTM, host to host: against training with the same variant, and against a bare
             script's prediction by the stock layer, all in one contest
  gemm       every variant, LSTM, shape E: GFLOP/s over those of a large product, the highest median of any worker in
             the call; the best variant of all backends has the verdict
  overhead   the harness's steady state against bare scripts (``overhead.py``, with fewer processes)
  start      seconds of a ``smoke`` run beyond those of a bare script that imports the framework and trains as long
             (``startup.py`` has where they go)
  main-job   the README's main job over the sum of bare scripts that import the framework and train the same
  help       seconds of ``harness --help`` (``startup.py`` has all commands)

What is measured at one shape takes the first of ``--shape`` where that one is not among them, and then has no verdict.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import overhead
import sides
import startup
from rows import Row, estimate, show
from sides import Outcome, Side
from wanted import COMPILED, COMPILED_AT, GEMM, KERAS, PREDICTION, PREDICTION_STOCK, PURE, STOCK, STOCK_AT, TEXTBOOK

from harness.processes import supervise
from harness.processes.channel import WorkerDied
from harness.specs.shapes import SHAPES, Shape

FRAMEWORKS = ("torch", "tensorflow", "jax")
TUTORIAL = Shape(batch=64, length=100, features=10, hidden=50)
#: An epoch has a cost of its own, which a short one would lay on a few updates.
KERAS_BLOCK_S = 1.0
#: Updates per call of a fused variant where one update takes a tenth of a second: eight would make a turn too long.
CHUNK_OF_LONG_UPDATES = 2
#: Of each backend: enough for a verdict; ``overhead.py`` has more.
OVERHEAD_PROCESSES = 2


@dataclass(frozen=True)
class How:
    """What all contests of a call have in common."""

    shapes: dict[str, Shape]
    backends: Sequence[str]
    rounds: int
    block_s: float
    repeats: int

    def one(self, name: str) -> tuple[str, Shape, bool]:
        """For what is measured at one shape: that, or the first of this call; and whether it is the right one."""
        found = name if name in self.shapes else next(iter(self.shapes))
        return found, self.shapes[found], found == name

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
        """The row of one shape: the ratio of the fastest of ``others``, with the name of the variant that it is."""
        label = f"{self.measure}, {shape}"
        there = [other for other in others if not other.reason]
        if reference.reason or not there:
            self.lacking.append(shape)
            failed = reference if reference.reason else others[0]
            return Row(label, wanted, None, reason=f"{failed.variant or 'a side'}: {failed.reason}")
        best = min(there, key=Outcome.seconds)
        sample = self.samples[shape] = sides.pairs(reference, best)
        return Row(f"{label} ({best.variant})", wanted, estimate(sample), len(sample))

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
    """``auto`` against the stock layer of the same framework in a bare script, at every shape."""
    for framework in FRAMEWORKS:
        for cell in ("lstm", "gru") if framework in how.backends else ():
            mean = Mean(f"{framework} {cell}: auto / bare script", STOCK.get((framework, cell)))
            for name, shape in how.shapes.items():
                found = how.contest(
                    sides.bare(f"bare {framework} {cell} {name}", framework, cell, shape),
                    sides.ours(f"{framework} {cell} {name} auto", framework, "auto", cell, shape),
                )
                reference, auto = found.values()
                yield mean.row(name, reference, auto, wanted=STOCK_AT)
            yield from mean.rows()


def keras(how: How) -> Iterator[Row]:
    """``auto`` against ``model.fit`` of Keras on the same framework, at shape A."""
    name, shape, right = how.one("A")
    for framework, wanted in KERAS.items():
        if framework in how.backends:
            found = how.contest(
                sides.keras_fit(f"model.fit on {framework} {name}", framework, "lstm", shape),
                sides.ours(f"{framework} {name} auto", framework, "auto", "lstm", shape),
                block_s=max(how.block_s, KERAS_BLOCK_S) if right else None,
            )
            mean = Mean(f"{framework} lstm: auto / Keras model.fit", None)
            yield mean.row(name, *found.values(), wanted=wanted if right else None)


def tutorial(how: How) -> Iterator[Row]:
    """TensorFlow's ``auto`` against ``model.fit`` on each of Keras's backends, on the model of many tutorials."""
    if not set(FRAMEWORKS) <= set(how.backends):
        return
    auto, *fits = how.contest(
        sides.ours("tensorflow tutorial auto", "tensorflow", "auto", "lstm", TUTORIAL),
        *(sides.keras_fit(f"model.fit on {framework} tutorial", framework, "lstm", TUTORIAL) for framework in KERAS),
        block_s=max(how.block_s, KERAS_BLOCK_S),
    ).values()
    for framework, fit in zip(KERAS, fits, strict=True):
        mean = Mean(f"tensorflow lstm: auto / Keras model.fit on {framework}", None)
        yield mean.row("tutorial", fit, auto, wanted=1.0)


def numpy(how: How) -> Iterator[Row]:
    """NumPy's LSTM, in NumPy alone and with compiled kernels, against the LSTM of a bare torch script."""
    if not {"numpy", "torch"} <= set(how.backends):
        return
    pure = Mean("numpy lstm: pure NumPy / bare torch", PURE)
    compiled = Mean("numpy lstm: compiled / bare torch", COMPILED)
    for name, shape in how.shapes.items():
        torch, hoisted, parts, *kernels = how.contest(
            sides.bare(f"bare torch {name}", "torch", "lstm", shape),
            *(
                sides.ours(f"numpy {v} {name}", "numpy", v, "lstm", shape)
                for v in ("hoisted", "parts", "numba", "native")
            ),
        ).values()
        yield pure.row(name, torch, hoisted, parts)
        yield compiled.row(name, torch, *kernels, wanted=COMPILED_AT.get(name))
    yield from pure.rows()
    yield from compiled.rows()


def textbook(how: How) -> Iterator[Row]:
    """NumPy's ``auto`` against ``textbook``, at every shape."""
    if "numpy" not in how.backends:
        return
    mean = Mean("numpy lstm: auto / textbook", TEXTBOOK)
    for name, shape in how.shapes.items():
        found = how.contest(*(sides.ours(f"numpy {v} {name}", "numpy", v, "lstm", shape) for v in ("textbook", "auto")))
        yield mean.row(name, *found.values(), wanted=TEXTBOOK)
    yield from mean.rows()


def predict(how: How) -> Iterator[Row]:
    """Prediction by ``auto`` against training by ``auto``, and against a bare script's by the stock layer."""
    for backend in how.backends:
        trained = Mean(f"{backend} lstm: prediction / training", None)
        stock = Mean(f"{backend} lstm: prediction by auto / by a bare script", PREDICTION_STOCK)
        for name, shape in how.shapes.items():
            label = f"{backend} lstm {name}"
            training = sides.ours(f"{label} trains", backend, "auto", "lstm", shape)
            ours = sides.ours(f"{label} predicts", backend, "auto", "lstm", shape, measure="predict")
            bare = [sides.bare(f"bare {label} predicts", backend, "lstm", shape, measure="predict")]
            found = how.contest(training, ours, *(bare if backend in FRAMEWORKS else []))
            yield trained.row(name, found[training.name], found[ours.name], wanted=PREDICTION)
            if backend in FRAMEWORKS:
                yield stock.row(name, found[bare[0].name], found[ours.name])
        yield from trained.rows()
        yield from stock.rows()


def gemm(how: How) -> Iterator[Row]:
    """Variant by variant, and last the best of all, which has the verdict."""
    shape_name, shape, right = how.one("E")
    outcomes: dict[str, Outcome] = {}
    for backend in how.backends:
        variants = [v for v in variants_of(backend, shape) if v != "textbook"]  # it is there to be slow
        outcomes |= how.contest(
            *(
                sides.ours(f"{backend} {v} {shape_name}", backend, v, "lstm", shape, chunk=CHUNK_OF_LONG_UPDATES)
                for v in variants
            ),
            limits=True,
        )
    rates = [float(np.median(outcome.gflops)) for outcome in outcomes.values() if outcome.gflops]
    measure = f"lstm {shape_name}: share of the GEMM rate"
    shares: dict[str, list[float]] = {}
    for name, outcome in outcomes.items():
        label = f"{measure}, {name.removesuffix(f' {shape_name}')}"
        if outcome.reason or not rates:
            yield Row(label, None, None, reason=outcome.reason or "nobody read the GEMM rate")
            continue
        assert outcome.heard.ready is not None
        flops = outcome.heard.ready.flops_per_step / 1e9
        sample = [flops * block.steps / block.seconds / max(rates) for block in outcome.blocks.values()]
        shares[label] = sample
        yield Row(label, None, estimate(sample), len(sample))
    wanted = GEMM[shape_name] if right else None
    if shares:
        best = max(shares, key=lambda label: float(np.median(shares[label])))
        label = best.replace(measure, f"{measure}, the best")
        yield Row(label, wanted, estimate(shares[best]), len(shares[best]))
    else:
        yield Row(f"{measure}, the best", wanted, None, reason="nothing was measured")


def variants_of(backend: str, shape: Shape) -> list[str]:
    """The names of those that can compute an LSTM of that shape here."""
    spec = sides.ours(backend, backend, "auto", "lstm", shape).spec
    found = supervise.variants_for({backend: [spec]})[backend]
    if isinstance(found, WorkerDied):
        raise found
    (field,) = found
    return [variant["name"] for variant in field["variants"] if not variant["reason"]]


def steady_state(how: How) -> Iterator[Row]:
    """The steady state of the harness against bare scripts."""
    return overhead.measured(how.backends, processes=OVERHEAD_PROCESSES, count=how.rounds)


def help_text(how: How) -> Iterator[Row]:
    """Seconds of ``harness --help``."""
    with TemporaryDirectory() as folder:
        starts = {"harness --help": partial(startup.whole, ["--help"], Path(folder))}
        yield from startup.measured(starts, how.rounds)


def start(how: How) -> Iterator[Row]:
    """Seconds of a short run beyond importing the framework and training."""
    yield from (row for row in startup.whole_runs(how.backends, how.rounds) if row.wanted is not None)


def main_job(how: How) -> Iterator[Row]:
    """The main job over bare scripts."""
    yield from (row for row in startup.main_job(how.backends) if row.wanted is not None)


MEASURES: dict[str, Callable[[How], Iterator[Row]]] = {
    "stock": stock,
    "keras": keras,
    "tutorial": tutorial,
    "numpy": numpy,
    "textbook": textbook,
    "predict": predict,
    "gemm": gemm,
    "overhead": steady_state,
    "start": start,
    "main-job": main_job,
    "help": help_text,
}


def shapes(words: Iterable[str]) -> dict[str, Shape]:
    """Named ones, or ``BATCHxLENGTHxFEATURESxHIDDEN`` with one output and mean squared error."""
    found: dict[str, Shape] = {}
    for word in words:
        if word in SHAPES:
            found[word] = SHAPES[word]
        else:
            batch, length, features, hidden = map(int, word.split("x"))
            found[word] = Shape(batch=batch, length=length, features=features, hidden=hidden)
    return found


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Every target of an update's speed, as a Markdown table.")
    backends = ("numpy", *FRAMEWORKS)
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    parser.add_argument("--shape", nargs="+", default=list(SHAPES), help="A to F, or BATCHxLENGTHxFEATURESxHIDDEN")
    parser.add_argument("--backend", nargs="+", choices=backends, default=list(backends), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=10, help="turns that each side takes")
    parser.add_argument("--block", type=float, default=0.15, help="seconds that a turn should take")
    parser.add_argument("--repeats", type=int, default=1, help="times that a contest is held, with new processes")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)
    how = How(shapes(given.shape), given.backend, given.rounds, given.block, given.repeats)
    show((row for name in given.only for row in MEASURES[name](how)), "pairs", given.json)


if __name__ == "__main__":
    main()
