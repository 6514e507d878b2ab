"""Every backend passes the public suite on a GPU too. One that sees none is skipped, with its own reason."""

from __future__ import annotations

import time

import pytest

from backends.conformance import BackendConformance, some_batches, start
from tests.fixtures.suites import suite

pytestmark = pytest.mark.gpu


class OnGpu(BackendConformance):
    device = "cuda"

    def test_the_device_tells_how_long_it_trained(self) -> None:
        """Where its framework has events: not longer than the call took."""
        job, _ = self.backend.resolve(self.job())
        trainer = self.backend.trainer(job, start(job))
        assert trainer.device_seconds() is None
        staged = trainer.stage([batch.astype(job.dtype) for batch in some_batches(job, 4)])
        began = time.perf_counter()
        trainer.train(staged)
        took, seconds = time.perf_counter() - began, trainer.device_seconds()
        if self.backend.name in ("torch", "numpy"):
            assert seconds is not None
            assert 0 < seconds <= took
        else:
            assert seconds is None


TestNumpy, TestTorch, TestTensorflow, TestJax = (suite(name, OnGpu) for name in ("numpy", "torch", "tensorflow", "jax"))
