"""What the harness costs: its steady state against the same steps in a bare script, in turns.

    python tests/bench/overhead.py [BACKEND …]

For each backend one process builds two programmes for the spec ``adding``, preset ``quick``: the harness's own
(``harness.training.Run`` on the backend's stock variant), and the framework's script in ``bare/``, which shares no code
with ``harness`` or ``backends`` (but NumPy's, which has no layer of its own to call). They take turns, a block of updates
each; the ratio is taken pair by pair, over several processes, since where buffers happen to lie in memory moves a
whole process by a few percent. A ratio of 1.00 means that a figure in a record is the framework's own, 0.95 that the
harness's block took 5 % longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec

STOCK = {"numpy": "hoisted", "torch": "nn", "tensorflow": "keras", "jax": "scan"}
PROCESSES, PAIRS, BLOCK, WARM_UP = 6, 12, 10, 2
WANTED = 0.98


def pairs(name: str, bare_first: bool) -> list[float]:
    """Seconds of the bare script over seconds of the harness, pair by pair; runs in the worker's environment."""
    from harness import process
    from loader import script

    process.pin(2)
    process.flush_denormals(True)
    import backends
    import tasks
    from backends.parameters import initial
    from harness.plan import Request, plan
    from harness.training import Clocks, Run

    spec = plan(Request(backends=[name], preset="quick", run={"variant": None}))[0]
    task = tasks.load(spec.task, spec.parameters)
    spec = spec.model_copy(update={"variant": STOCK[name]})
    backend = backends.load(name)
    job = spec.job(task)
    backend.start(job)
    sizes = (job.model.cell, job.batch, job.length, job.model.inputs, job.model.hidden, job.optimizer.lr)
    if bare_first:
        stage, train = script(name).programme(*sizes)
    trainer = backend.trainer(job, initial(job.model, spec.initialisation_spec(), 0))
    run = Run(spec, task, trainer, Clocks(time.perf_counter), lambda _: None, lambda _: None)
    if not bare_first:
        stage, train = script(name).programme(*sizes)
    found = []
    for turn in range(WARM_UP + PAIRS):
        drawn = [task.batch("train", turn * BLOCK + k, spec.batch).astype("float32") for k in range(BLOCK)]
        staged = [stage(batch.x, batch.y) for batch in drawn]
        seconds = {}
        for who in ("ours", "bare") if turn % 2 else ("bare", "ours"):
            if who == "ours":
                _, seconds[who] = run._train(turn * BLOCK, BLOCK)
            else:
                start = time.perf_counter()
                train(staged)
                seconds[who] = time.perf_counter() - start
        found.append(seconds["bare"] / seconds["ours"])
    return found[WARM_UP:]


def main(names: Sequence[str]) -> None:
    """A line per backend: the median ratio, its 95 % interval (bootstrap), and whether that reaches what is wanted."""
    import numpy as np  # not in the process that measures: its threads would start before they are told their mode
    from scipy.stats import bootstrap

    from harness import environment
    from harness.plan import Request, plan

    print(f"{'backend':<11}{'variant':<9}{'harness / bare':>15}  95 % interval   pairs   at least {WANTED}")
    for name in names or [name for name in STOCK if find_spec(name)]:
        spec = plan(Request(backends=[name], preset="quick"))[0]
        env, _ = environment.worker_environment(environment.worker_variables(spec), os.environ)
        ratios = []
        for number in range(PROCESSES):
            command = [sys.executable, __file__, "--pairs", name, *(["--bare-first"] if number % 2 else [])]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
            ratios += json.loads(done.stdout.splitlines()[-1])
        low, high = bootstrap((ratios,), np.median, rng=np.random.default_rng(0)).confidence_interval
        met = "met" if high >= WANTED else "not met"
        print(
            f"{name:<11}{STOCK[name]:<9}{np.median(ratios):>15.3f}  {low:.3f}–{high:.3f}     {len(ratios):<7} {met}",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pairs"]:
        print(json.dumps(pairs(sys.argv[2], "--bare-first" in sys.argv)))
    else:
        main(sys.argv[1:])
