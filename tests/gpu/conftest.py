"""Tests that need a GPU run by themselves: ``pytest tests/gpu -rs``, or ``pytest -m gpu``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
#: As a worker has them; read when a framework first touches the device.
VARIABLES = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


@pytest.hookimpl(trylast=True)  # others deselect first
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them beside other tests: once TensorFlow has started for the CPU, its process has no GPU any more."""
    if all(HERE in item.path.parents for item in items):
        return
    skip = pytest.mark.skip(reason="GPU tests run by themselves: pytest tests/gpu")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where all were skipped nothing has passed: the status of a call that ran no test."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and reporter.stats.get("skipped") and not any(map(reporter.stats.get, ("passed", "failed", "error"))):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.fixture(autouse=True, scope="session")
def variables() -> None:
    os.environ.update(VARIABLES)
