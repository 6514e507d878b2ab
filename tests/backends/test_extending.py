"""What ``docs/extending.md`` says of the built-in backends."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BACKENDS = ("numpy", "torch", "tensorflow", "jax")


def test_the_backend_that_it_calls_the_shortest_is() -> None:
    lines = {
        name: sum(
            len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "backends" / name).glob("*.py")
        )
        for name in BACKENDS
    }
    assert re.findall(r"`backends/(\w+)/` is the shortest to read", TEXT) == [min(lines, key=lambda name: lines[name])]


def test_the_files_that_it_says_all_of_them_have_are_there() -> None:
    [said] = re.findall(r"the same files for the same things: (.*?)\.\n", TEXT, re.DOTALL)
    for name in BACKENDS:
        for file in re.findall(r"`(\w+)`", said):
            assert (ROOT / "backends" / name / f"{file}.py").exists(), f"{name} has no {file}"
