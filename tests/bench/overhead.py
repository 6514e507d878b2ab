"""What the harness costs: its steady state against the same steps in a bare script, in turns.

    python tests/bench/overhead.py [--backend NAME …] [--json FILE]

For each backend a process builds two programs for the task ``adding``, preset ``quick``: the harness's own
(``harness.worker.training.Training`` on the backend's stock variant), and the framework's script in ``bare/``, which
shares no code with ``harness`` or ``backends`` (but NumPy's, which has no layer of its own to call). They take turns,
a block of updates each; the ratio is taken pair by pair, over several processes, since where buffers happen to lie in
memory moves a whole process by a few percent. A ratio of 1.00 means that a figure in a record is the framework's own,
0.95 that the harness's block took 5 % longer."""

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

STOCK = {"numpy": "hoisted", "torch": "nn", "tensorflow": "keras", "jax": "scan"}
BLOCK, WARM_UP = 10, 2  # updates; pairs
WANTED = 0.98


def pairs(name: str, preset: str, count: int, bare_first: bool) -> list[float]:
    """Seconds of the bare script over seconds of the harness, pair by pair; runs in the worker's environment."""
    from loader import Sizes, script

    from harness.machine import process

    process.pin(process.available_cpus()[:2])
    process.flush_denormals(True)
    import backends
    import tasks
    from backends.parameters import initial
    from harness.planning.runs import plan
    from harness.worker.clocks import Clocks
    from harness.worker.training import Training

    spec = plan({"backend": name, "preset": preset})[0]
    task = tasks.load(spec.task, spec.parameters)
    spec = spec.model_copy(update={"variant": STOCK[name]})
    backend = backends.load(name)
    job = spec.job(task)
    backend.start(job)
    sizes = Sizes(
        job.model.cell, job.batch, job.length, job.model.inputs, job.model.hidden, job.model.outputs, job.loss,
        job.optimizer.lr,
    )  # fmt: skip
    if bare_first:
        stage, train = script(name).program(sizes)
    trainer = backend.trainer(job, initial(job.model, spec.initialisation_spec(), 0))
    training = Training(spec, task, trainer, Clocks(time.perf_counter), lambda _: None, lambda _: None)
    if not bare_first:
        stage, train = script(name).program(sizes)
    found = []
    for turn in range(WARM_UP + count):
        drawn = [task.batch("train", turn * BLOCK + k, spec.batch).astype("float32") for k in range(BLOCK)]
        staged = [stage(batch.x, batch.y) for batch in drawn]
        seconds = {}
        for who in ("ours", "bare") if turn % 2 else ("bare", "ours"):
            if who == "ours":
                _, seconds[who] = training._train(turn * BLOCK, BLOCK)
            else:
                start = time.perf_counter()
                train(staged)
                seconds[who] = time.perf_counter() - start
        found.append(seconds["bare"] / seconds["ours"])
    return found[WARM_UP:]


def measured(names: Iterable[str], processes: int, count: int, preset: str = "quick") -> Iterator[Row]:
    """A row per backend, from the pairs of all its processes; every other process builds the bare script first."""
    from rows import Row, estimate  # NumPy: not in the process that measures, whose mode its threads would miss

    for name in names:
        found = [pair for number in range(processes) for pair in _process(name, preset, count, number % 2 == 1)]
        yield Row(f"{name} {STOCK[name]}: harness / bare script", WANTED, estimate(found), len(found))


def _process(name: str, preset: str, count: int, bare_first: bool) -> list[float]:
    from harness.planning.runs import plan
    from harness.processes import environment

    spec = plan({"backend": name, "preset": preset})[0]
    env, _ = environment.worker_environment(environment.worker_variables(spec), os.environ)
    words = [name, preset, str(count), *(["--bare-first"] if bare_first else [])]
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", *words]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(words: Sequence[str] | None = None) -> None:
    """A Markdown table with a row per backend."""
    from rows import show

    parser = argparse.ArgumentParser(description="The harness's steady state against bare scripts, in turns.")
    there = [name for name in STOCK if find_spec(name)]
    parser.add_argument("--backend", nargs="+", choices=STOCK, default=there, metavar="NAME")
    parser.add_argument("--preset", default="quick", help="sizes of the task adding")
    parser.add_argument("--processes", type=int, default=6, help="of each backend")
    parser.add_argument("--pairs", type=int, default=12, help="of blocks, in each process")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)
    show(measured(given.backend, given.processes, given.pairs, given.preset), "pairs", given.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        backend, preset, count = sys.argv[2:5]
        print(json.dumps(pairs(backend, preset, int(count), "--bare-first" in sys.argv)))
    else:
        main()
