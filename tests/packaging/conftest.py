"""Tests of a built distribution: they need pytest and the installed wheel, nothing of the checkout.

``nox -s wheel`` copies this folder away from the checkout, installs the wheel into an empty environment and names the
folder that holds wheel and sdist in RNN_HARNESS_DIST. In the ordinary suite nothing here is collected: there the
packages are those of the checkout, and whether a wheel works without it cannot be seen.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL, CompletedProcess, run

import pytest

FOLDER = "RNN_HARNESS_DIST"
collect_ignore_glob = [] if os.environ.get(FOLDER) else ["test_*.py"]

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder that holds the wheel and the sdist."""
    return Path(os.environ[FOLDER])


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Run the installed console command in an empty folder: ``command("run", "--task", "copy")``."""
    script = Path(sysconfig.get_path("scripts")) / ("harness.exe" if sys.platform == "win32" else "harness")

    def call(*words: str) -> CompletedProcess[str]:
        env = {**os.environ, "COLUMNS": "200", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        return run([script, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240, stdin=DEVNULL)

    return call
