"""What a study costs beside its runs, as a Markdown table; on a machine that does nothing else.

    python tests/bench/studies.py [--runs 30] [--planned 10000]

The study is of ``--runs`` runs of the sine task in NumPy, of a second or two each; its overhead is the seconds of the
whole command over the summed lives of its workers, each from the start of its process to its end, as the command itself
sees them. Then ``--planned`` runs are planned; and a study of as many is called again whose runs are all done: their
records are those of one real, short run, with other seeds and ids, sealed again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness.planning.studies import runs_of  # noqa: E402
from harness.records import seal  # noqa: E402
from harness.specs.study import read  # noqa: E402

#: The command, which says on standard error how long its workers lived in all.
DRIVER = """
import sys, time
from harness.processes.channel import Channel
lives, start, end = [], Channel.__init__, Channel.__exit__
def started(self, *words, **options):
    self.started_at = time.perf_counter()
    start(self, *words, **options)
def ended(self, *words):
    end(self, *words)
    lives.append(time.perf_counter() - self.started_at)
Channel.__init__, Channel.__exit__ = started, ended
sys.argv = ["harness", "study", *sys.argv[1:]]
from harness.cli import main
try:
    sys.exit(main())
finally:
    print("lives", sum(lives), len(lives), file=sys.stderr)
"""


def written(folder: Path, name: str, runs: int, steps: int) -> Path:
    """A study file."""
    file = folder / f"{name}.toml"
    file.write_text(
        f'[fixed]\ntask = "sine"\nbackend = "numpy"\nthreads = 1\nhidden = 8\nsteps = {steps}\n'
        f'[axes]\nseed = "0-{runs - 1}"\n'
    )
    return file


def called(folder: Path, *words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Seconds of the command, and what it said."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *words], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path, "HARNESS_SLOTS": str(folder / "slots")},
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return seconds, done


def copied(sample: Path, file: Path) -> None:
    """A record of each run of a study, from a real one of its first run."""
    study = read(file)
    study.results.mkdir()
    for number, run in enumerate(runs_of(study)):
        made = json.loads(sample.read_text())
        made["spec"]["seed"], made["id"] = run.spec.seed, f"{made['id'][:-8]}{number:08x}"
        made["digest"] = seal.digest(made)
        (study.results / f"{made['id']}.json").write_text(json.dumps(made))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--small", type=int, default=200, help="updates of a run of which there are many")
    parser.add_argument("--planned", type=int, default=10_000)
    asked = parser.parse_args()
    print("| what | seconds | wanted |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = written(folder, "real", asked.runs, asked.steps)
        seconds, done = called(folder, file.name)
        lives = next(line for line in done.stderr.splitlines() if line.startswith("lives ")).split()
        beside = f"{seconds / float(lives[1]):.3f} times its workers' {float(lives[1]):.1f} s"
        print(f"| a study of {lives[2]} runs: {beside} | {seconds:.1f} | 1.05 times |", flush=True)
        called(folder, written(folder, "one", 1, asked.small).name)
        many = written(folder, "many", asked.planned, asked.small)
        seconds, _ = called(folder, many.name, "--plan")
        print(f"| --plan of {asked.planned:,} runs | {seconds:.2f} | 3 |", flush=True)
        copied(next((folder / "one").glob("*.json")), many)
        for what in ("first", "later"):
            seconds, done = called(folder, many.name)
            assert f"{asked.planned:,} of {asked.planned:,} runs ok" in done.stdout, done.stdout
            print(f"| going on where all {asked.planned:,} are done, {what} | {seconds:.2f} | 10 |", flush=True)


if __name__ == "__main__":
    main()
