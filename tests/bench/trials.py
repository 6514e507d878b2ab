"""How often ``harness compare`` is right on a machine that something else disturbs, on and off.

    python tests/bench/trials.py [--trials 20] [--a WORDS] [--same WORDS] [--more WORDS] [--json FILE] [-- WORDS …]

Half of the comparisons are of a spec with itself, half of one with 3 % more work (103 steps for 100). The two kinds
take turns, so that both meet the same disturbances: a process that computes on one CPU for one to three seconds, pauses
as long, and so on. Words after ``--`` go to every comparison. Each is kept in FILE as soon as it is there, a line each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BASE = "-P length=100"
MORE = "-P length=103"
#: For every comparison, unless others are given.
COMMON = ["--backend", "numpy", "--task", "adding", "--hidden", "128", "--batch", "64", "--threads", "1"]
TRUE_RATIO = 1.03


def compute_on_and_off(seed: int, parent: int) -> None:
    """Until its parent is gone, however that went."""
    draw = random.Random(seed)
    while os.getppid() == parent:
        until = time.monotonic() + draw.uniform(1, 3)
        while time.monotonic() < until:
            sum(range(10_000))
        time.sleep(draw.uniform(1, 3))


@contextmanager
def disturbed(seed: int) -> Iterator[None]:
    """Something else runs on and off meanwhile."""
    spawn = multiprocessing.get_context("spawn")
    other = spawn.Process(target=compute_on_and_off, args=(seed, os.getpid()), daemon=True)
    other.start()
    try:
        yield
    finally:
        other.kill()
        other.join()


def compare(a: str, b: str, common: Sequence[str]) -> dict[str, Any]:
    """What ``harness compare`` tells, and how long it took."""
    command = [sys.executable, "-P", "-m", "harness", "compare", "--a", a, "--b", b, "--json", *common]
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)["time"]
    return told | {"seconds": time.monotonic() - start}


def line(name: str, right: str, found: Sequence[dict[str, Any]]) -> str:
    """A row of the table: how many were right, and what they looked like."""
    verdicts = [told["verdict"] for told in found]
    covered = sum(told["low"] <= (TRUE_RATIO if right == "A" else 1) <= told["high"] for told in found)
    width = statistics.median(told["high"] / told["low"] for told in found)
    cells = [
        name, f"{verdicts.count(right)} of {len(found)}", str(verdicts.count("A")), str(verdicts.count("B")),
        str(verdicts.count("neither")), f"{statistics.median(told['ratio'] for told in found):.3f}",
        f"±{100 * (width**0.5 - 1):.1f} %", f"{covered} of {len(found)}",
        f"{statistics.median(told['seconds'] for told in found):.0f} s",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run the trials, and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=20, help="comparisons of each kind")
    parser.add_argument("--a", default=BASE)
    parser.add_argument("--same", default=BASE)
    parser.add_argument("--more", default=MORE)
    parser.add_argument("--json", type=Path)
    parser.add_argument("common", nargs="*", default=COMMON, metavar="WORDS", help="for every comparison, after --")
    asked = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"same": [], "more": []}
    with disturbed(seed=0):
        for _ in range(asked.trials):
            for kind, b in (("same", asked.same), ("more", asked.more)):
                told = compare(asked.a, b, asked.common)
                found[kind].append(told)
                if asked.json:
                    with asked.json.open("a") as file:
                        file.write(json.dumps({"kind": kind, **told}) + "\n")
    print("| compared | right | A faster | B faster | neither | median ratio | interval | covers the truth | time |")
    print("|---|---|---|---|---|---|---|---|---|")
    print(line("a spec with itself", "neither", found["same"]))
    print(line("a spec with 3 % more work", "A", found["more"]))


if __name__ == "__main__":
    main()
