"""What tests of more than one floor need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import forked

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "tests" / "fixtures" / "plugin"

# A busy machine is no failure: hypothesis would time each example. Under CI it has a profile of its own, without.
if "CI" not in os.environ:
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")

# The data sets of whoever runs the tests are none of theirs: names of tasks are read when tests are collected.
os.environ["HARNESS_DATASETS"] = str(ROOT / "tests" / "no-datasets")

# Nor is the index of their records: the tests share one of their own.
_INDEX = tempfile.TemporaryDirectory(prefix="harness-tests-index-")
os.environ["HARNESS_INDEX"] = _INDEX.name
# Half a second before each of hundreds of commands, which would say that other tests are busy.
os.environ["HARNESS_LOOK"] = "0"
# What tests start, hundreds of times, is compiled once; what pytest makes of the tests, too.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# What a developer's machine was tuned to changes no test.
os.environ["HARNESS_TUNED"] = ""

# Tests that run in a shell's background are started with these ignored, which what they start would inherit.
for _name in ("SIGHUP", "SIGINT", "SIGQUIT"):
    if signal.getsignal(_number := getattr(signal, _name, signal.SIGTERM)) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

Harness = Callable[..., subprocess.CompletedProcess[str]]


def python_path(*folders: Path) -> str:
    """A ``PYTHONPATH`` that begins with this checkout: what tests start is what they test, installed or not."""
    there = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([str(ROOT), *map(str, folders), *filter(None, there)]))


@pytest.fixture(scope="session", autouse=True)
def _this_checkout() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", python_path())
        yield


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The made-up third party's module on this process's path and on that of what it starts."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", python_path(PLUGIN))
    return PLUGIN


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for data sets, of this process and of what it starts."""
    monkeypatch.setenv("HARNESS_DATASETS", str(tmp_path / "datasets"))
    return tmp_path / "datasets"


@pytest.fixture
def tuned_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tuned choices are kept, by this process and by what it starts; there are none yet."""
    monkeypatch.setenv("HARNESS_TUNED", str(tmp_path / "tuned.json"))
    return tmp_path / "tuned.json"


@pytest.fixture
def harness(tmp_path: Path, own_data: Path) -> Harness:
    """Run the command as a user would, in an empty folder: ``harness("run", "--task", "copy")``."""

    def call(*words: str, timeout: float = 240, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return forked.harness(words, tmp_path, {**os.environ, "COLUMNS": "200", **(env or {})}, timeout)

    return call


@pytest.fixture
def one_cpu() -> Iterator[None]:
    """One CPU for this process and what it starts, so that a run that asks for no threads has one.

    Two of a worker wait for each other whenever another test computes, a hundred times as long.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    former = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(former)[worker % len(former)]})
    yield
    os.sched_setaffinity(0, former)
