"""Tests that need a GPU run by themselves, in one process: ``pytest -m gpu -n 0 -rs``."""

from __future__ import annotations

import os

import pytest

#: As a worker has them; read when a framework first touches the device.
VARIABLES = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip them beside others: once TensorFlow has started for the CPU, its process has no GPU any more."""
    if "gpu" in config.getoption("markexpr"):
        return
    skip = pytest.mark.skip(reason="GPU tests run by themselves: pytest -m gpu -n 0")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)


@pytest.fixture(autouse=True, scope="session")
def variables() -> None:
    os.environ.update(VARIABLES)
