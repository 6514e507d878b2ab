"""Rivals on PyTorch: what a compiler makes of a stock layer; Keras, which computes on one framework in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import backends
from backends.conformance import a_job, some_batches, start
from backends.torch import toolchain

ROOT = Path(__file__).parents[3]
torch = pytest.importorskip("torch")


def test_a_compiled_region_is_told_from_none() -> None:
    """PyTorch compiles no stock layer; of one that has a graph in it, it is said."""
    if why := toolchain.why_no_compiler("cpu"):
        pytest.skip(why)
    backend, job = backends.load("torch"), a_job(variant="nn-compiled")
    backend.start(job)
    batch = some_batches(job, 1)[0].astype(job.dtype)
    assert "no graph of TorchInductor" in backend.trainer(job, start(job)).executed(batch)

    @torch.compile
    def halved(x: Any) -> Any:
        return x / 2

    class Halved:
        """Only what the layers ask of one."""

        def __init__(self, rnn: Any) -> None:
            self.rnn, self.weight_ih_l0 = rnn, rnn.weight_ih_l0

        def __call__(self, x: Any) -> Any:
            return self.rnn(halved(x))

    trainer: Any = backend.trainer(job, start(job))
    layers = trainer.network.layers
    layers.calls = [Halved(rnn) for rnn in layers.rnns]
    before = trainer.compilations()
    trainer.predict(batch.x)
    assert "in a graph of TorchInductor" in trainer.executed(batch)
    assert trainer.compilations() > before


def test_keras_on_torch_passes_the_public_suite() -> None:
    """In a process of its own: Keras computes on one framework in a process."""
    pytest.importorskip("keras")
    suite = "tests/backends/test_conformance.py"
    words = ["-o", "addopts=", "-p", "no:cacheprovider", "-q", "-rs", suite, "-k", "TestTorch and keras"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "KERAS_BACKEND" not in done.stdout, "nothing is skipped for the process's sake"
