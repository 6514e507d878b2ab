"""A backend for one cell and one layer passes the public suite; what it cannot do is skipped, by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import python_path

SUITE = """
from backends.conformance import BackendConformance
from tests.fixtures.tiny_backend import {name}


class TestTiny(BackendConformance):
    backend = {name}()
"""
REASONS = (
    "it computes the plain recurrence alone", "it computes one layer in one direction", "it has no rmsprop",
    "it reads out the last step alone", "it has no cross-entropy",
    "tiny has no precision coarser than float32 and float64",
)  # fmt: skip


def outcome(folder: Path, name: str) -> tuple[dict[str, int], list[str]]:
    """How many tests of the suite went which way, and the reasons of those that were skipped."""
    (folder / "test_tiny.py").write_text(SUITE.format(name=name))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", "test_tiny.py"],
        cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": python_path(), "PATH": "", "COLUMNS": "400"},
    )  # fmt: skip
    counts = {way: int(number) for number, way in re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)}
    return counts, re.findall(r"^SKIPPED .*?: (.*)$", done.stdout, re.MULTILINE)


def test_it_passes_and_each_skip_says_what_it_lacks(tmp_path: Path) -> None:
    counts, skipped = outcome(tmp_path, "TinyBackend")
    assert counts.keys() == {"passed", "skipped"}, counts
    assert counts["passed"] >= 20
    assert all(any(reason in line for reason in REASONS) for line in skipped), skipped
    assert all(any(reason in line for line in skipped) for reason in REASONS), skipped


def test_one_that_takes_what_it_says_it_cannot_compute_fails(tmp_path: Path) -> None:
    counts, _ = outcome(tmp_path, "LyingBackend")
    assert counts["failed"] >= 10
