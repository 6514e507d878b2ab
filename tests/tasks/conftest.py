"""Where the tests of tasks find MNIST: in HARNESS_DATA, or in the folder shared/data beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks import mnist_files
from tests.conftest import ROOT


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """The folder that holds mnist/, named in HARNESS_DATA; None where there is none."""
    folder = Path(os.environ.get(mnist_files.ENVIRONMENT) or ROOT.parent / "shared" / "data")
    if not (folder / "mnist").is_dir():
        return None
    monkeypatch.setenv(mnist_files.ENVIRONMENT, str(folder))
    return folder


@pytest.fixture
def real(data: Path | None) -> Path:
    """The folder of the real MNIST files; without them the test is skipped."""
    if data is None:
        pytest.skip("MNIST is not here: set HARNESS_DATA to a folder that holds mnist/")
    return data / "mnist"


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty mnist/ in a folder that HARNESS_DATA names."""
    monkeypatch.setenv(mnist_files.ENVIRONMENT, str(tmp_path))
    (tmp_path / "mnist").mkdir()
    return tmp_path / "mnist"
