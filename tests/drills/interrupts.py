"""Kills and interrupts, many of them at random moments: nothing that was measured is lost, nothing is left behind.

``python tests/drills/interrupts.py`` takes some ten minutes, with ``--quick`` one. It prints what it counted; the exit
status is 1 if a record was lost, a file is half-written, or a process outlived its command by more than a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.workers import workers_below

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests" / "fixtures" / "plugin"
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: Longest that an interrupted command may take to end, beyond which it hangs.
PATIENCE_S = 60.0

Drill = Callable[[random.Random, Path, Counter[str]], None]


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """``harness run`` of the made-up backend. From Python: what a shell starts with ``&`` ignores SIGINT."""
    path = os.pathsep.join([str(ROOT), str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "harness", "run", "--task", "echo", "--threads", "1", *words]
    return subprocess.Popen(
        [*command, "--results", str(folder)], cwd=folder, env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def workers(command: subprocess.Popen[bytes], wait_s: float = 20.0) -> list[psutil.Process]:
    """The workers of a command, once there is one; none if it ends before."""
    deadline = time.monotonic() + wait_s
    while command.poll() is None and time.monotonic() < deadline:
        if found := workers_below(command.pid):
            return found
        time.sleep(0.01)
    return []


def count_left(processes: list[psutil.Process], counts: Counter[str]) -> None:
    """Count, and end, what still runs a second from now."""
    deadline = time.monotonic() + 1
    while (left := [each for each in processes if alive(each)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    counts["orphans"] += len(left)
    for each in left:
        each.kill()


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def statuses(folder: Path, counts: Counter[str]) -> list[str]:
    """How the recorded runs ended; a file that is not whole is counted."""
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(json.loads(path.read_text())["status"])
        except ValueError:
            counts["half-written"] += 1
    return found


def a_parent_is_killed(chance: random.Random, folder: Path, counts: Counter[str]) -> None:
    """SIGKILL at any moment from the worker's start to the run's end, while the worker hangs in a block or not."""
    command = started(folder, "--backend", chance.choice(["hanging", "madeup"]))
    found = workers(command)
    time.sleep(chance.uniform(0, 1.5))
    command.kill()
    command.wait()
    count_left(found, counts)
    statuses(folder, counts)
    with started(folder, "--backend", "madeup", "--variant", "good", "--steps", "2") as again:
        again.wait(PATIENCE_S)
    counts["lost"] += again.returncode != 0
    counts["temporary files left"] += len(list(folder.glob(".*.tmp")))


def a_worker_is_killed(chance: random.Random, folder: Path, counts: Counter[str]) -> None:
    """The run has failed, or had just ended, and its record says so."""
    command = started(folder, "--backend", "hanging")
    found = workers(command)
    time.sleep(chance.uniform(0, 1.0))
    for each in found:
        each.kill()
    command.wait(PATIENCE_S)
    counts["lost"] += statuses(folder, counts) != ["failed"]
    count_left(found, counts)


def a_run_is_interrupted_about_its_end(chance: random.Random, folder: Path, counts: Counter[str]) -> None:
    """One or two signals, from a little before the worker ends until the command has ended.

    No variant is named: planning would ask a worker for it, and a signal then comes before the first run.
    """
    command = started(folder, "--backend", "madeup", "--seeds", "2", "--json")
    found = workers(command)
    while any(map(alive, found)) and chance.random() > 0.03:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.6))
    came_before_the_end = command.poll() is None
    for _ in range(chance.choice([1, 2])):
        command.send_signal(chance.choice(STOPS))
        time.sleep(chance.uniform(0, 0.1))
    command.wait(PATIENCE_S)
    ended = statuses(folder, counts)
    for status in ended:
        counts[f"runs {status}"] += 1
    counts["came too late"] += not came_before_the_end
    counts["lost"] += not ended or bool(set(ended) - {"ok", "interrupted"}) or ended.count("interrupted") > 1
    count_left(found, counts)


def a_run_is_interrupted_in_a_block(chance: random.Random, folder: Path, counts: Counter[str]) -> None:
    """A signal, and a second one right after: the record says interrupted."""
    command = started(folder, "--backend", "hanging")
    found = workers(command)
    time.sleep(chance.uniform(0, 1.0))
    for _ in range(2):
        command.send_signal(chance.choice(STOPS))
        time.sleep(chance.uniform(0, 0.1))
    command.wait(PATIENCE_S)
    counts["lost"] += statuses(folder, counts) != ["interrupted"]
    count_left(found, counts)


DRILLS: dict[Drill, tuple[int, int]] = {
    a_parent_is_killed: (50, 4),
    a_worker_is_killed: (50, 4),
    a_run_is_interrupted_about_its_end: (50, 8),
    a_run_is_interrupted_in_a_block: (50, 4),
}
LOSSES = ("lost", "half-written", "orphans", "temporary files left")


def main() -> int:
    """Hold the drills; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few of each")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    lost = 0
    for drill, (many, few) in DRILLS.items():
        chance, counts = random.Random(asked.seed), Counter(dict.fromkeys(LOSSES, 0))
        times = few if asked.quick else many
        for _ in range(times):
            with tempfile.TemporaryDirectory() as folder:
                drill(chance, Path(folder), counts)
        told = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        print(f"{drill.__name__.replace('_', ' ')}, {times} times: {told}", flush=True)
        lost += sum(counts[name] for name in LOSSES)
    return min(lost, 1)


if __name__ == "__main__":
    sys.exit(main())
