"""Folders of many records: seconds and memory of whole commands, as a Markdown table.

    python tests/bench/folders.py [--sizes 1000 10000 100000] [--keep FOLDER]

The records are made up, not measured, from a record of ``tests/fixtures/``: 20 seeds of each spec, 12 contenders (4
backends, 3 cells) in each set of comparable runs, one run in 50 failed; 11 evaluations and 50 timed blocks, sealed.
For each size the index is deleted first. "first" is a command that parses every file, "later" one that finds all in the
index; "one new" finds one record more. Memory is the most that a command and the processes that it starts held at once,
looked at 20 times a second.
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
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness.records import seal  # noqa: E402

SAMPLE = ROOT / "tests" / "fixtures" / "records" / "schema-6.json"
SEEDS, CELLS, BACKENDS = 20, ("lstm", "gru", "rnn"), ("numpy", "torch", "tensorflow", "jax")
IN_A_SET = SEEDS * len(CELLS) * len(BACKENDS)
LOOK_S = 0.05
#: Files that were written just now are not taken for settled: see ``harness/records/snapshot.py``.
SETTLED_S = 3
#: Name, words and whether the index is deleted before.
COMMANDS = (
    ("table --summary, first", "table {records} --summary --out {out}/summary.csv", True),
    ("table --summary, later", "table {records} --summary --out {out}/summary.csv", False),
    ("table --summary, one new", "table {records} --summary --out {out}/summary.csv", False),
    ("table, all columns to CSV", "table {records} --out {out}/all.csv", False),
    ("table, two conditions", "table {records} --where backend=jax --where seed=3 --out {out}/some.csv", False),
    ("report", "report {records} --out {out}/report", False),
    ("pack", "pack {records} --out {out}/all.records.zip", False),
    ("table --summary of the pack, first", "table {out}/all.records.zip --summary --out {out}/p.csv", True),
    ("table --summary of the pack, later", "table {out}/all.records.zip --summary --out {out}/p.csv", False),
)  # fmt: skip


def documents(count: int) -> Iterator[dict[str, Any]]:
    """As many records, each another one."""
    draw = random.Random(0)
    text = json.dumps(_longer(json.loads(SAMPLE.read_text())))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        made = json.loads(text)
        group, place = divmod(number, IN_A_SET)
        contender, seed = divmod(place, SEEDS)
        backend, cell = BACKENDS[contender % len(BACKENDS)], CELLS[contender // len(BACKENDS)]
        made["id"] = f"20260101T000000Z-adding-{backend}-{cell}-{number:08x}"
        made["created"] = (start + timedelta(seconds=number)).isoformat()
        made["spec"].update(backend=backend, seed=seed)
        made["spec"]["model"].update(cell=cell, hidden=16 + group)
        made["variant"] = {"numpy": "numba", "torch": "nn", "tensorflow": "keras", "jax": "scan"}[backend]
        if number % 50 == 7:
            made.update(status="failed", reason="the loss is not finite after 150 updates", metrics=None, curve=[])
        else:
            measured, factor = made["metrics"], draw.uniform(0.8, 1.2)
            for name in ("train_sequences_per_second", "step_ms", "predict_sequences_per_second"):
                for each in ("median", "p10", "p90"):
                    measured[name][each] *= factor
            measured["score"][measured["main_score"]] *= draw.uniform(0.8, 1.2)
            measured["train_s"] *= draw.uniform(0.8, 1.2)
            measured["host_peak_bytes"] += draw.randrange(2**24)
        made["digest"] = seal.digest(made)
        yield made


def _longer(record: dict[str, Any]) -> dict[str, Any]:
    """The record with as many evaluations and blocks as a run of preset ``quick`` has."""
    point, measured = record["curve"][-1], record["metrics"]
    record["curve"] = [{**point, "step": 2 * i, "seconds": point["seconds"] * i / 10} for i in range(11)]
    measured["train_blocks"] = [{"steps": 2, "seconds": 0.01 + i / 1e5} for i in range(40)]
    measured["predict_blocks"] = [{"steps": 1000, "seconds": 0.1 + i / 1e4} for i in range(10)]
    return record


def write(folder: Path, made: Iterator[dict[str, Any]]) -> None:
    """Write each as ``harness run`` does."""
    folder.mkdir(parents=True, exist_ok=True)
    for document in made:
        (folder / f"{document['id']}.json").write_text(json.dumps(document, indent=1) + "\n")


def timed(words: Sequence[str], env: dict[str, str]) -> tuple[float, float]:
    """Seconds and peak MiB of a command with all that it starts.

    Raises:
        RuntimeError: it failed.
    """
    begin, peak = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([sys.executable, "-m", "harness", *words], stdout=said, stderr=said, env=env)
        while process.poll() is None:
            peak = max(peak, _held(process.pid))
            time.sleep(LOOK_S)
        took = time.monotonic() - begin
        said.seek(0)
        if process.returncode:
            raise RuntimeError(f"harness {' '.join(words)}: {said.read().decode()[-2000:]}")
    return took, peak / 2**20


def _held(pid: int) -> float:
    """Bytes of memory that a process and its descendants hold; 0 where /proc does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task").glob("*/children")
        others = [int(child) for each in children for child in each.read_text().split()]
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(_held, others))


def measured(size: int, folder: Path) -> Iterator[tuple[str, float, float]]:
    """Name, seconds and MiB of each command on a folder of ``size`` records."""
    records, out, index = folder / f"records-{size}", folder / f"out-{size}", folder / f"index-{size}"
    made = documents(size + 1)
    if not records.exists():
        write(records, (next(made) for _ in range(size)))
    out.mkdir(exist_ok=True)
    time.sleep(SETTLED_S)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HARNESS_INDEX": str(index)}
    for name, words, afresh in COMMANDS:
        for file in index.glob("*") if afresh else ():
            file.unlink()
        if "one new" in name:
            write(records, iter(list(documents(size + 1))[-1:]))
        took, peak = timed([word.format(records=records, out=out) for word in words.split()], env)
        print(f"{size:,} {name}: {took:.1f} s, {peak:.0f} MiB", file=sys.stderr, flush=True)
        yield name, took, peak


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--keep", type=Path, help="folder for the records, kept afterwards")
    given, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = [list(measured(size, given.keep or Path(scratch))) for size in given.sizes]
    print("| command | " + " | ".join(f"{size:,} records" for size in given.sizes) + " |")
    print("|---" * (1 + len(found)) + "|")
    for rows in zip(*found, strict=True):
        print(f"| {rows[0][0]} | " + " | ".join(f"{took:.1f} s, {peak:,.0f} MiB" for _, took, peak in rows) + " |")


if __name__ == "__main__":
    main()
