"""Everything that needs a GPU, in one command and under nine minutes: the tests, then the records.

    python tests/gpu/session.py [--minutes 9] [--out results/gpu] [--only NAME …] [--data FOLDER] [--list]

Runs from a bare checkout, with whatever Python and frameworks the machine has: nothing is installed and nothing is
downloaded. Each step is a command that can be typed by itself (``--list`` prints them). Steps are taken in order while
there is time; one that outlasts its share is stopped, and keeps what it has recorded. What was not reached is named.

Exit status: 0 where every step ended well, 1 where one did not or was not reached, 2 where nothing can start.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Without these not even a plan can be made; the frameworks may be missing one by one.
NEEDED = (
    "numpy", "pandas", "matplotlib", "typer", "rich", "pydantic", "scipy", "jinja2", "tabulate", "threadpoolctl",
    "platformdirs", "filelock", "packaging", "pydantic_core", "annotated_types", "typing_inspection",
)  # fmt: skip
#: Stopped politely, a step has so long to end its workers, which hold the GPU, and to write its record.
GRACE_S = 20.0
#: The table of targets is made last, from the records.
TARGETS_S = 30.0
#: More than the usual two: frameworks compile on them, and a CPU beside a GPU should be one.
THREADS = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
#: Contestants that get ready at a time. One after the other, ten of them would take longer than their contest.
STARTS = 4
#: One that compiles for longer would cost the others their turns.
READY_S = 80
HARNESS = (sys.executable, "-P", "-m", "harness")

VARIANTS = (
    "torch:nn", "torch:graph", "torch:graph-deferred-dw", "torch:compiled",
    "jax:scan", "jax:deferred-dw", "jax:deferred-dw-graph", "numpy:textbook", "numpy:kernels",
)  # fmt: skip
#: Of cuDNN's layers JAX has this one alone.
OF_LSTM = (*VARIANTS, "jax:cudnn")
READY = ("--threads", str(THREADS), "--starts", str(STARTS), "--ready", str(READY_S))
#: Larger than any that a CPU is asked for.
LARGE = ("--batch", "128", "--length", "512", "--features", "64", "--hidden", "1024")


#: Many at a time, whatever the file: they compile for longer than they compute.
TESTS = (
    sys.executable, "-m", "pytest", "tests/gpu", "-p", "no:cacheprovider", "-n", str(THREADS), "--dist", "worksteal",
    "-ra", "--tb", "short",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A command, the seconds that it may take, and the signal on which it tells what it has by then."""

    name: str
    words: tuple[str, ...]
    limit_s: float
    stop: signal.Signals = signal.SIGTERM


def speed(variants: Sequence[str]) -> tuple[str, ...]:
    """A contest on the GPU; shape and cell follow."""
    return (
        *HARNESS, "speed", "--device", "cuda", "--backend", "torch,jax,numpy", "--variant", ",".join(variants),
        "--rounds", "12", "--block", "0.1", *READY,
    )  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """How a step ended: ``ok``, ``failed``, ``stopped`` at its limit, or ``not reached``."""

    step: Step
    how: str
    seconds: float


def steps(out: Path) -> Iterator[Step]:
    """All of them, what matters most first. Records go to ``out``."""
    kept = ("--results", str(out))
    yield Step("doctor", (*HARNESS, "doctor"), 120)  # the first to read the frameworks from the disk
    for shape in ("A", "C"):
        yield Step(f"speed-{shape}", (*speed(OF_LSTM), "--shape", shape, *kept), 160)
    yield Step("tests", TESTS, 150, signal.SIGINT)
    yield Step("speed-E", (*speed(OF_LSTM), "--shape", "E", *kept), 160)
    yield Step("speed-large", (*speed(OF_LSTM), *LARGE, *kept), 200)
    for backend in ("torch", "jax", "numpy"):
        words = ("parity", "--device", "cuda", "--precision", "all", "--task", "copy", "--cell", "lstm")
        yield Step(f"parity-{backend}", (*HARNESS, *words, "--backend", backend), 150)
    for shape in ("B", "D", "F"):
        yield Step(f"speed-{shape}", (*speed(OF_LSTM), "--shape", shape, *kept), 160)
    yield Step("speed-gru", (*speed(VARIANTS), "--cell", "gru", "--shape", "A,C", *kept), 280)
    sizes = (
        "--batch", "16,256", "--hidden", "64,256,1024", "--length", "100", "--rounds", "6", "--block", "0.1", *READY,
    )  # fmt: skip
    yield Step(
        "sizes",
        (*HARNESS, "speed", "--device", "cpu,cuda", "--backend", "torch,jax", "--variant", "auto", *sizes, *kept),
        500,
    )
    for task, more in (
        ("adding", ("-P", "length=600")),
        ("copy", ("-P", "delay=1000")),
        ("sequential-mnist", ("-P", "order=pixel")),
        ("sequential-mnist", ("-P", "order=permuted")),
    ):
        words = ("run", "--device", "cuda", "--backend", "torch", "--task", task, "--preset", "paper", *more)
        for cell, seed in product(("lstm", "gru"), "012"):  # a seed at a time: three may outlast the limit
            name = f"paper-{task}-{more[1].rpartition('=')[2]}-{cell}-{seed}"
            yield Step(name, (*HARNESS, *words, "--cell", cell, "--seed", seed, *kept), 540)


def missing() -> list[str]:
    """Packages without which nothing can start."""
    return [name for name in NEEDED if find_spec(name) is None]


def take(
    chosen: Sequence[Step], seconds: float, clock: Callable[[], float], env: Mapping[str, str]
) -> Iterator[Ending]:
    """Each step in turn while there is time; each ending as soon as it is known."""
    end = clock() + seconds
    for step in chosen:
        start = clock()
        left = end - start
        if left <= 0:
            yield Ending(step, "not reached", 0.0)
            continue
        print(f"\n== {step.name}: {shlex.join(map(as_typed, step.words))}", flush=True)
        how = run(step.words, min(step.limit_s, left), env, step.stop)
        yield Ending(step, how, clock() - start)


def run(words: Sequence[str], limit_s: float, env: Mapping[str, str], stop: signal.Signals = signal.SIGTERM) -> str:
    """How one command ended. It and all that it started are gone then."""
    with subprocess.Popen(words, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, start_new_session=True) as command:
        try:
            return "failed" if command.wait(limit_s) else "ok"
        except subprocess.TimeoutExpired:
            os.killpg(command.pid, stop)  # writes the record of what was under way
            try:
                command.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(command.pid, signal.SIGKILL)
            return "stopped"
        except BaseException:
            os.killpg(command.pid, signal.SIGKILL)
            raise


def as_typed(word: str) -> str:
    """A word of a command as a user would write it."""
    return "python" if word == sys.executable else word


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Everything that needs a GPU: the tests, then the records.")
    parser.add_argument("--minutes", type=float, default=8.8, help="that all of it may take")
    parser.add_argument("--out", type=Path, default=Path("results/gpu"), help="folder for the records")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of the steps, or the first part of their names")
    parser.add_argument("--data", type=Path, help="folder that holds mnist/")
    parser.add_argument("--list", action="store_true", help="print the commands and stop")
    given = parser.parse_args(words)
    chosen = [s for s in steps(given.out) if not given.only or any(s.name.startswith(name) for name in given.only)]
    if not chosen:
        print(f"no step begins with {' or '.join(given.only)}; --list names them", file=sys.stderr)
        return 2
    if given.list:
        print("\n".join(f"{step.name:30} {shlex.join(map(as_typed, step.words))}" for step in chosen))
        return 0
    if lacking := missing():
        print(f"missing: {', '.join(lacking)}; install them, or put their wheels on PYTHONPATH", file=sys.stderr)
        return 2
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, "COLUMNS": "160"}
    env |= {"HARNESS_DATA": str(given.data.resolve())} if given.data else {}
    endings = list(take(chosen, 60 * given.minutes, time.monotonic, env))
    print("\nWhat a GPU should reach:", flush=True)
    run((sys.executable, "tests/bench/gpu_targets.py", str(given.out)), TARGETS_S, env)
    print()
    for ending in endings:
        print(f"{ending.how:12} {ending.seconds:6.1f} s  {ending.step.name}")
    return int(any(ending.how != "ok" for ending in endings))


if __name__ == "__main__":
    sys.exit(main())
