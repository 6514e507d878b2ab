"""Names to objects: built in, a third party's, and those of a checkout that is not installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import backends
import tasks
from tests.conftest import ROOT

BARE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("registry", sys.argv[1])
registry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(registry)
for group in ("harness.tasks", "harness.backends"):
    print(*registry.Registry(group, "").names())
"""


def test_a_checkout_that_is_not_installed_registers_the_same(tmp_path: Path) -> None:
    """``-I -S``: without site-packages and PYTHONPATH nothing is installed, as where only the folder was copied."""
    command = [sys.executable, "-I", "-S", "-c", BARE, str(ROOT / "tasks" / "registry.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    ours = [set(line.split()) for line in done.stdout.splitlines()]
    assert ours[0] <= set(tasks.registry.names())
    assert {"adding", "copy", "sine", "sequential-mnist", "sequential-mnist-14", "sequential-digits"} == ours[0]
    assert ours[1] <= set(backends.registry.names())
    assert {"numpy", "torch", "tensorflow", "jax"} == ours[1]


def test_what_is_installed_while_this_process_runs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "late" not in tasks.registry.names()
    time.sleep(0.05)  # file systems tell moments apart by some milliseconds
    info = tmp_path / "late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.tasks]\nlate = late:Late\n")
    assert "late" in tasks.registry.names()
    assert not tasks.registry.is_ours("late")
    shutil.rmtree(info)
    assert "late" not in tasks.registry.names()
