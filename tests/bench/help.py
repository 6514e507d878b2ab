"""How long ``harness --help`` takes against ``--help`` of a typer program of two commands, in pairs side by side.

    python tests/bench/help.py [--pairs N]

Prints the median ratio of the pairs with its 95 % bootstrap interval, and the median seconds of both. The first pair is
not counted: it reads files that the later ones find in memory. Which of a pair comes first alternates.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

WANTED = 1.25
TWO_COMMANDS = '''
import typer

app = typer.Typer(help="Two commands.")


@app.command()
def one(number: int = 1) -> None:
    """The first."""


@app.command()
def two(word: str = "x") -> None:
    """The second."""


app()
'''


def seconds(command: Sequence[str], folder: Path) -> float:
    """How long a command takes from start to end."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print one line."""
    parser = argparse.ArgumentParser(description="How long harness --help takes.")
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args(words).pairs
    taken: dict[str, list[float]] = {"harness": [], "typer": []}
    with TemporaryDirectory() as folder:
        (Path(folder) / "two.py").write_text(TWO_COMMANDS)
        commands = {
            "harness": (sys.executable, "-m", "harness", "--help"),
            "typer": (sys.executable, "two.py", "--help"),
        }
        for number in range(pairs + 1):
            for name in commands if number % 2 else reversed(commands):
                took = seconds(commands[name], Path(folder))
                if number:
                    taken[name].append(took)

    from rows import estimate  # NumPy: after what is timed

    ratio = estimate([a / b for a, b in zip(taken["harness"], taken["typer"], strict=True)])
    ours, theirs = (statistics.median(taken[name]) for name in ("harness", "typer"))
    interval = f"{ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
    print(f"harness --help / --help of two typer commands: {interval}, {pairs} pairs, wanted: at most {WANTED}")
    print(f"harness {ours:.3f} s, typer {theirs:.3f} s")


if __name__ == "__main__":
    main()
