"""A study killed with -9 at random moments, driver or worker, and started again each time.

``python tests/drills/studies.py`` makes 200 runs and 30 kills, in some minutes; ``--runs 40 --kills 6`` is a short one.
It prints what it counted; the exit status is 1 if a run is lost or made twice, a file is half-written, or a process
outlived its driver by more than a second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil
from interrupts import PLUGIN, ROOT, count_left, workers


def started(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """``harness study`` of the study in ``folder``."""
    path = os.pathsep.join([str(ROOT), str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "harness", "study", "study.toml", *words]
    return subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path, "HARNESS_SLOTS": str(folder / "slots")},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def study(folder: Path, runs: int) -> None:
    """Write the study."""
    (folder / "study.toml").write_text(
        f'results = "records"\ntries = 20\n[fixed]\ntask = "echo"\nbackend = "numpy"\nthreads = 1\n'
        f'[axes]\nseed = "0-{runs - 1}"\n'
    )


def kill(driver: subprocess.Popen[bytes], dice: random.Random, counts: Counter[str]) -> None:
    """Kill the driver or its worker after a while, and count what outlives a driver."""
    time.sleep(dice.uniform(0.0, 6.0))
    found = workers(driver, wait_s=5.0)
    if dice.random() < 0.5 and found:
        counts["workers killed"] += 1
        for each in found:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        time.sleep(dice.uniform(0.0, 2.0))
    counts["drivers killed"] += driver.poll() is None
    children = family(driver)
    driver.kill()
    driver.wait()
    count_left(children, counts)


def family(driver: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What the driver has started."""
    try:
        return psutil.Process(driver.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def count(folder: Path, runs: int, counts: Counter[str]) -> None:
    """Count what is in the results folder in the end."""
    seeds: Counter[int] = Counter()
    for path in (folder / "records").glob("*.json"):
        try:
            record = json.loads(path.read_text())
        except ValueError:
            counts["half-written"] += 1
            continue
        seeds[record["spec"]["seed"]] += 1
        counts[f"records {record['status']}"] += 1
        counts["tries recorded"] += len(record["tries"])
    counts["records"] = seeds.total()
    counts["twice"] = sum(number - 1 for number in seeds.values())
    counts["lost"] = runs - len(seeds)
    counts["leases left"] = len(list((folder / "records" / ".study" / "leases").iterdir()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    dice, counts = random.Random(asked.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        study(folder, asked.runs)
        for _ in range(asked.kills):
            kill(started(folder), dice, counts)
        counts["exit status"] = started(folder).wait()
        count(folder, asked.runs, counts)
    for name, number in sorted(counts.items()):
        print(f"{name:<16}{number:>6}")
    bad = ("twice", "lost", "half-written", "orphans", "leases left", "exit status")
    return int(any(counts[name] for name in bad))


if __name__ == "__main__":
    sys.exit(main())
