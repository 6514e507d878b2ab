"""Where an update's time goes with NumPy's variant ``native``, and how near its products come to a large one's rate.

    python tests/bench/where_native.py [--shape SHAPE …] [--rounds N] [--json FILE]

An LSTM of each shape (A, C, E and F), two threads, each with its part of the batch. Timers lie around the pieces of
the first part's work. In each round a large product of NumPy's is timed before and after ten updates, so that what
slows the machine slows both. "of the GEMM rate" is the rate of a piece's products, with both parts at work, over that
of the large product; all other figures of pieces are shares of the update. What is left over is the loss, the readout,
and waiting: whatever slows the other part's thread holds up both.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rows import Row, estimate, show

from backends.job import Job, ModelSpec, OptimizerSpec
from backends.numpy.native_kernels import Lstm, NativeTrainer
from backends.numpy.variants import NATIVE
from backends.parameters import InitialisationSpec, initial
from backends.synthetic import random_batches
from harness.machine import process
from harness.specs.shapes import SHAPES
from harness.workflows.contest import SETTLE_S

DEFAULT = ("A", "C", "E", "F")
THREADS, UPDATES, SIDE = 2, 10, 1536
#: Pieces of a part's work: the method with a timer, and those with one that it calls.
PIECES = {
    "the loop forward": ("forward_loop", ()),
    "the loop backward": ("backward_loop", ()),
    "the gradient of W_hh": ("recurrent_gradients", ()),
    "packing W_hh for the loop forward": ("lay_out", ()),
    "the input's projection, with the bias": ("advance", ("forward_loop",)),
    "the gradients of W_ih and of the bias": ("backward", ("backward_loop", "recurrent_gradients")),
}
#: Those that are products of T·B rows with W_hh, or a matrix of its size.
PRODUCTS = ("forward_loop", "backward_loop", "recurrent_gradients")

#: Seconds by the name of a method, in the main thread and in that of the first part.
spent: dict[str, float] = defaultdict(float)


def put_timers() -> None:
    """Around every method that has a figure."""
    for method, _ in PIECES.values():
        setattr(Lstm, method, timed(method, getattr(Lstm, method)))
    NativeTrainer._update = timed("update", NativeTrainer._update)  # type: ignore[method-assign]


def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, its seconds added to ``spent``."""

    def call(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        result = method(*arguments, **named)
        if threading.current_thread().name in ("MainThread", "part_0"):
            spent[name] += time.perf_counter() - start
        return result

    return call


def gemm_rate() -> float:
    """FLOP/s of a large product."""
    a, out = np.ones((SIDE, SIDE), "float32"), np.empty((SIDE, SIDE), "float32")
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        seconds.append(time.perf_counter() - start)
    return float(2 * SIDE**3 / np.median(seconds[1:]))


def measured(name: str, rounds: int) -> Iterator[Row]:
    """The rows of a shape, by its name."""
    shape = SHAPES[name]
    model = ModelSpec("lstm", shape.features, shape.hidden, shape.outputs, shape.readout)
    job = Job(model, shape.loss, OptimizerSpec(), batch=shape.batch, length=shape.length, threads=THREADS)
    start = {key: value.astype("float32") for key, value in initial(model, InitialisationSpec(), 0).items()}
    trainer = NativeTrainer(job, start, NATIVE)
    staged = trainer.stage([batch.astype(job.dtype) for batch in random_batches(job, UPDATES, 0)])
    trainer.train(staged)

    rates, samples = [], []
    for _ in range(rounds):
        before = gemm_rate()
        time.sleep(SETTLE_S)
        trainer.train(staged)
        spent.clear()
        began = time.perf_counter()
        trainer.train(staged)
        samples.append({"all": time.perf_counter() - began, **spent})
        rates.append((before + gemm_rate()) / 2)

    def row(what: str, of_round: Callable[[dict[str, float], float], float]) -> Row:
        return Row(f"{name}: {what}", None, estimate(list(map(of_round, samples, rates))), rounds)

    recurrent = 8.0 * shape.length * shape.batch * shape.hidden**2 * UPDATES
    flops = 3 * recurrent + 16.0 * shape.length * shape.batch * shape.hidden * shape.features * UPDATES
    yield row("an update, ms", lambda took, rate: 1e3 * took["all"] / UPDATES)
    yield row("a large product, GFLOP/s", lambda took, rate: rate / 1e9)
    yield row("an update, of the GEMM rate", lambda took, rate: flops / took["all"] / rate)
    for what, (method, within) in PIECES.items():
        yield row(what, lambda took, rate, m=method, w=within: (took[m] - sum(map(took.get, w))) / took["all"])
        if method in PRODUCTS:
            yield row(f"{what}, of the GEMM rate", lambda took, rate, m=method: recurrent / took[m] / rate)
    yield row("the update rule and clipping", lambda took, rate: took["update"] / took["all"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Where an update's time goes with NumPy's variant native.")
    parser.add_argument("--shape", nargs="+", choices=list(SHAPES), default=DEFAULT, metavar="SHAPE")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args()
    process.pin(process.available_cpus()[:THREADS])
    process.flush_denormals(True)
    put_timers()
    show((row for name in given.shape for row in measured(name, given.rounds)), "rounds", given.json)


if __name__ == "__main__":
    main()
