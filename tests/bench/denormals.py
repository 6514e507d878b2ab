"""Whether the denormal policy is in force where it counts: in every thread that computes.

    python tests/bench/denormals.py [--backend NAME …] [--json FILE]

Each backend trains one LSTM, read out at the last step, from two starts that differ in the readout's weights alone. In
one they are as small as 1e-36, so that gradients are denormal throughout the backward pass, as they become over
hundreds of steps through which they vanish; the forget gate is open (σ(20)), so that they stay so. The learning rate
is 0: nothing changes. The two take turns in one process; the ratio of their times is taken pair by pair. Flushed, it
must be 1. ``keep`` is the control, where a framework can keep: it shows what denormals cost on this processor, if
anything.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rows import Row

BACKENDS = ("numpy", "torch", "tensorflow", "jax")
POLICIES = ("flush", "keep")
BATCH, LENGTH, FEATURES, HIDDEN = 64, 100, 10, 128
FORGET_BIAS = 20.0
USUAL, VANISHING = 1.0, 1e-36  # what the readout's weights are multiplied by
WARM_UP = 1
#: Flushed, the time of a step may not grow by more than this.
WANTED = 0.95


def pairs(name: str, policy: str, length: int, count: int) -> dict[str, object]:
    """Seconds of a step whose gradients are as usual over seconds of one whose gradients vanish, pair by pair."""
    from harness.machine import process

    process.pin(process.available_cpus()[:2])
    process.flush_denormals(policy == "flush")
    import backends
    from backends.job import Job, ModelSpec, OptimizerSpec
    from backends.parameters import InitialisationSpec, initial
    from backends.synthetic import random_batches

    model = ModelSpec("lstm", FEATURES, HIDDEN, 1, "last")
    job = Job(model, "mse", OptimizerSpec("sgd", 0.0, clip=None), BATCH, length, threads=2)
    backend = backends.load(name)
    job, _ = backend.resolve(job)
    runtime = backend.start(job)
    if runtime.flushes_denormals != (policy == "flush"):
        return {"variant": job.variant, "reason": "flushes them on this processor, whatever it is told"}
    batch = random_batches(job, 1, seed=0)[0].astype(job.dtype)
    sides = []
    for scale in (USUAL, VANISHING):
        parameters = initial(model, InitialisationSpec(forget_bias=FORGET_BIAS), seed=0)
        trainer = backend.trainer(job, parameters | {"head.W": parameters["head.W"] * scale})
        sides.append((trainer, trainer.stage([batch])))
    found = []
    for turn in range(WARM_UP + count):
        seconds = [0.0, 0.0]
        for side in (0, 1) if turn % 2 else (1, 0):
            trainer, staged = sides[side]
            start = time.perf_counter()
            trainer.train(staged)
            seconds[side] = time.perf_counter() - start
        found.append(seconds[0] / seconds[1])
    return {"variant": job.variant, "pairs": found[WARM_UP:]}


def measured(names: Iterable[str], length: int, count: int) -> Iterator[Row]:
    """A row per backend and policy."""
    from rows import Row, estimate  # NumPy: not in the process that measures, whose mode its threads would miss

    from harness.planning.runs import plan
    from harness.processes import environment

    for name in names:
        for policy in POLICIES:
            spec = plan({"backend": name, "denormals": policy})[0]
            env, _ = environment.worker_environment(environment.worker_variables(spec), os.environ)
            words = [name, policy, str(length), str(count)]
            command = [sys.executable, str(Path(__file__).resolve()), "--measure", *words]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
            answer = json.loads(done.stdout.splitlines()[-1])
            measure = f"{name} {answer['variant']}, {policy}: time with usual gradients / with denormal ones"
            wanted = WANTED if policy == "flush" else None
            if "reason" in answer:
                yield Row(measure, wanted, None, reason=answer["reason"])
            else:
                yield Row(measure, wanted, estimate(answer["pairs"]), len(answer["pairs"]))


def main(words: Sequence[str] | None = None) -> None:
    """A Markdown table with two rows per backend."""
    from rows import show

    parser = argparse.ArgumentParser(description="A step whose gradients vanish against one whose gradients do not.")
    there = [name for name in BACKENDS if find_spec(name)]
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=there, metavar="NAME")
    parser.add_argument("--length", type=int, default=LENGTH, help="steps of a sequence")
    parser.add_argument("--pairs", type=int, default=20, help="of updates")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)
    show(measured(given.backend, given.length, given.pairs), "pairs", given.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        backend, policy, length, count = sys.argv[2:6]
        print(json.dumps(pairs(backend, policy, int(length), int(count))))
    else:
        main()
