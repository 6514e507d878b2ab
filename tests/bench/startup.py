"""How long a user waits: for every command, and from a command to the first training step of each backend.

    python tests/bench/startup.py [--only NAME …] [--backend NAME …] [--starts N] [--json FILE]

Each figure is seconds from starting the process: the median over ``--starts`` starts, with its 95 % bootstrap interval.
All take one start per round, in an order drawn anew each round, so that what slows the machine for a while slows all; a
first start of each is not counted, since it reads files that the later ones find in memory.

What is measured, by the name that ``--only`` takes:

  commands     a command from start to end, in a folder that holds the record of one short run
  first-step   ``harness run`` on the task ``adding``, preset ``smoke``, until its parent hears of the first update:
               planning, the worker, importing the framework, the gate, building and compiling on the way; beside it a
               bare script of the same sizes (``bare/``) until its first update is done: what the framework alone takes
               (NumPy's has no numba to compile, which ``auto`` of the command may)
  whole-run    ``harness run`` of the same task and preset from start to end, less a bare script that imports the
               framework and does as many updates, both in one round; then where the seconds of the run went, by the
               clocks of its records (``wall_s`` is the worker's), and what is left of it beside the worker
  main-job     the README's main job, all its runs and the report, over the sum of bare scripts that import the
               framework and do as many updates of the same sizes
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rows import Row

HARNESS = (sys.executable, "-m", "harness")
BACKENDS = ("numpy", "torch", "tensorflow", "jax")
#: Seconds that a command may take at most, where there is such a figure.
WANTED = {"harness --help": 0.25}
#: ``{record}`` is the record of the short run.
COMMANDS = (
    "--help", "run --help", "speed --help", "list", "run --task adding --dry-run", "show {record}", "table", "plot",
    "report",
)  # fmt: skip
#: Two updates: the first is heard of before anything is evaluated or kept.
FIRST_STEP = "run --task adding --preset smoke --steps 2 --backend"
WHOLE_RUN = "run --task adding --preset smoke --look 0 --backend"
#: Seconds that a short run may take beyond importing the framework and training.
BEYOND = 2.0
#: The README's main job, and how many times what bare scripts take it may take.
MAIN_TASKS = ("adding", "copy", "sine", "sequential-digits")
MAIN_JOB = (f"run {' '.join(f'--task {name}' for name in MAIN_TASKS)} --preset smoke", "report")
MAIN_WANTED = 1.6
#: Rounds of it, each of which takes minutes.
MAIN_ROUNDS = 2
#: Updates that a bare script draws and does at a time.
CHUNK = 10
#: On a record's clocks, in the order of a run.
CLOCKS = ("import", "data", "gate", "build", "first_step", "stage", "train", "evaluate", "wall")
#: On standard output of the two ways to a first step, before the moment of that step.
STEPPED = "first step at"

Start = Callable[[], float]


def whole(words: Sequence[str], folder: Path) -> float:
    """Seconds of a command from start to end."""
    start = time.monotonic()
    _call([*HARNESS, *words], folder)
    return time.monotonic() - start


def until_step(words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> float:
    """Seconds from starting this script with ``words`` to the moment that it tells (the clock is the system's)."""
    start = time.monotonic()
    told = _call([sys.executable, str(Path(__file__).resolve()), *words], folder, env)
    (moment,) = (line.removeprefix(STEPPED) for line in told.splitlines() if line.startswith(STEPPED))
    return float(moment) - start


def _call(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr}")
    return done.stdout


def heard(words: Sequence[str]) -> None:
    """Be ``harness`` with these words, and tell when its parent first hears of an update."""
    from harness.processes.channel import Channel
    from harness.protocol import Event, Progress

    hear, told = Channel.hear, False

    def listening(channel: Channel, deadline: float | None = None) -> Event | None:
        nonlocal told
        event = hear(channel, deadline)
        if isinstance(event, Progress) and not told:
            told = True
            print(STEPPED, time.monotonic(), flush=True)
        return event

    Channel.hear = listening  # type: ignore[method-assign]
    from harness.cli import main as harness

    sys.argv[1:] = words
    harness()


def alone(name: str, sizes: Mapping[str, Any], updates: int) -> None:
    """Be the bare script of that framework, and tell when so many updates are done; ``sizes`` are ``loader.Sizes``."""
    from harness.machine import process

    process.pin(process.available_cpus()[:2])
    process.flush_denormals(True)
    import numpy as np
    from loader import Sizes, script

    given = Sizes(**sizes)
    stage, train = script(name).program(given)
    rng = np.random.default_rng(0)
    places = (given.batch,) if given.readout == "last" else (given.batch, given.length)

    def drawn() -> Any:
        x = rng.random((given.batch, given.length, given.features), "float32")
        if given.loss == "mse":
            return stage(x, rng.random((*places, given.outputs), "float32"))
        return stage(x, rng.integers(0, given.outputs, places, dtype="int32"))

    for done in range(0, updates, CHUNK):
        train([drawn() for _ in range(min(CHUNK, updates - done))])
    print(STEPPED, time.monotonic(), flush=True)


class Bare(NamedTuple):
    """What ``alone`` trains instead of a run.

    Attributes:
        name: of the script.
        words: to be that script, but for the updates.
        updates: of the run.
        env: of the run's worker.
    """

    name: str
    words: list[str]
    updates: int
    env: Mapping[str, str]


def bare(choice: Mapping[str, Any]) -> Iterator[Bare]:
    """A bare script for each run of ``choice``, as ``plan`` takes it."""
    import tasks
    from harness.planning.runs import plan
    from harness.processes.environment import worker_environment, worker_variables

    for spec in plan(choice):
        task = tasks.load(spec.task, spec.parameters)
        sizes = {
            "cell": spec.model.cell, "batch": spec.batch, "length": task.steps_in, "features": task.inputs,
            "hidden": spec.model.hidden, "outputs": task.outputs, "loss": task.loss, "lr": spec.optimizer.lr,
            "readout": task.readout,
        }  # fmt: skip
        env, _ = worker_environment(worker_variables(spec), os.environ)
        yield Bare(spec.backend, ["--alone", spec.backend, json.dumps(sizes)], spec.steps, env)


def commands(folder: Path, given: argparse.Namespace) -> Iterator[tuple[str, Start]]:
    """By name, what starts a command and gives its seconds. No backend is chosen: ``list`` asks those there are."""
    del given
    _call([*HARNESS, *FIRST_STEP.split(), "numpy"], folder)
    (record,) = (folder / "results" / "local").glob("*.json")
    for words in COMMANDS:
        name = f"harness {words.format(record='RECORD')}"
        yield name, partial(whole, words.format(record=record).split(), folder)


def first_steps(folder: Path, given: argparse.Namespace) -> Iterator[tuple[str, Start]]:
    """By name, what starts a backend's training and gives the seconds to its first step."""
    for name, words, _, env in bare({"backend": given.backend}):
        command = ["--heard", *FIRST_STEP.split(), name, "--variant", given.variant]
        yield f"{name}: harness run to the first step", partial(until_step, command, folder)
        yield f"{name}: bare script to the first step", partial(until_step, [*words, "1"], folder, env)


def bare_run(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> float:
    """Seconds of this script with ``words`` from start to end."""
    start = time.monotonic()
    _call([sys.executable, str(Path(__file__).resolve()), *words], folder, env)
    return time.monotonic() - start


def whole_runs(backends: Sequence[str], count: int, variant: str = "auto") -> Iterator[Row]:
    """Of each backend, the seconds of a short run beyond those of a bare script, and where they go."""
    from rows import Row, estimate

    with TemporaryDirectory() as kept:
        starts: dict[str, Start] = {}
        for name, words, updates, env in bare({"backend": list(backends)}):
            run = [*WHOLE_RUN.split(), name, "--variant", variant, "--results", str(Path(kept) / name)]
            starts[name] = partial(whole, run, Path(kept))
            starts[f"{name} alone"] = partial(bare_run, [*words, str(updates)], Path(kept), env)
        seconds = rounds(starts, count)
        for name in backends:
            ours, script = seconds[name], seconds[f"{name} alone"]
            beyond = [max(a - b, 1e-3) for a, b in zip(ours, script, strict=True)]
            yield Row(f"{name}: harness run beyond a bare script, s", BEYOND, estimate(beyond), count, at_most=True)
            yield Row(f"{name}: harness run, s", None, estimate(ours), count)
            files = sorted((Path(kept) / name).glob("*.json"), key=lambda file: file.stat().st_mtime)[-count:]
            metrics = [json.loads(file.read_text(encoding="utf-8"))["metrics"] for file in files]
            for clock in CLOCKS:
                yield Row(
                    f"{name}: {clock}_s", None, estimate([max(each[f"{clock}_s"], 1e-6) for each in metrics]), count
                )
            beside = [max(took - each["wall_s"], 1e-3) for took, each in zip(ours, metrics, strict=True)]
            yield Row(f"{name}: beside the worker, s", None, estimate(beside), count)


def main_job(backends: Sequence[str]) -> Iterator[Row]:
    """The README's main job over the sum of bare scripts that import the framework and train the same."""
    from rows import Row, estimate

    words, choice = MAIN_JOB[0].split(), {"backend": list(backends), "task": list(MAIN_TASKS), "preset": "smoke"}
    scripts = list(bare(choice))

    def ours() -> float:
        with TemporaryDirectory() as folder:  # an empty one: runs that are done would be left out
            chosen = [word for name in backends for word in ("--backend", name)]
            return whole([*words, *chosen], Path(folder)) + whole(MAIN_JOB[1].split(), Path(folder))

    def all_bare() -> float:
        with TemporaryDirectory() as folder:
            return sum(bare_run([*each.words, str(each.updates)], Path(folder), each.env) for each in scripts)

    seconds = rounds({"ours": ours, "bare": all_bare}, MAIN_ROUNDS)
    ratios = [a / b for a, b in zip(seconds["ours"], seconds["bare"], strict=True)]
    what = f"the main job, {len(scripts)} runs and the report"
    yield Row(f"{what} / bare scripts", MAIN_WANTED, estimate(ratios), MAIN_ROUNDS, at_most=True)
    yield Row(f"{what}, s", None, estimate(seconds["ours"]), MAIN_ROUNDS)
    yield Row(f"{len(scripts)} bare scripts, s", None, estimate(seconds["bare"]), MAIN_ROUNDS)


def rounds(starts: Mapping[str, Start], count: int) -> dict[str, list[float]]:
    """Seconds of each, ``count`` times, in an order drawn anew each round; a round more comes first and is left out."""
    orders, seconds = random.Random(0), {name: [] for name in starts}
    for number in range(count + 1):
        for name in orders.sample(list(starts), len(starts)):
            took = starts[name]()
            if number:
                seconds[name].append(took)
    return seconds


def measured(starts: Mapping[str, Start], count: int) -> Iterator[Row]:
    """A row for each."""
    from rows import Row, estimate  # NumPy: not in the processes that are timed

    for name, seconds in rounds(starts, count).items():
        yield Row(f"{name}, s", WANTED.get(name), estimate(seconds), len(seconds), at_most=True)


def taking_turns(
    starts: Callable[[Path, argparse.Namespace], Iterator[tuple[str, Start]]], given: argparse.Namespace
) -> Iterator[Row]:
    """A row for each of ``starts``, which take one start per round."""
    with TemporaryDirectory() as folder:
        yield from measured(dict(starts(Path(folder), given)), given.starts)


MEASURES: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "commands": partial(taking_turns, commands),
    "first-step": partial(taking_turns, first_steps),
    "whole-run": lambda given: whole_runs(given.backend, given.starts, given.variant),
    "main-job": lambda given: main_job(given.backend),
}


def main(words: Sequence[str] | None = None) -> None:
    """A Markdown table of all that was asked for."""
    from rows import show

    parser = argparse.ArgumentParser(description="How long a user waits for commands and first steps.")
    there = [name for name in BACKENDS if find_spec(name)]
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=there, metavar="NAME")
    parser.add_argument("--variant", default="auto", help="of the backends, on the way to a first step")
    parser.add_argument("--starts", type=int, default=7, help="starts of each that count")
    parser.add_argument("--json", type=Path, help="file for the rows")
    given = parser.parse_args(words)

    rows = (row for name in given.only for row in MEASURES[name](given))
    show(rows, "starts", given.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--heard"]:
        heard(sys.argv[2:])
    elif sys.argv[1:2] == ["--alone"]:
        alone(sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
