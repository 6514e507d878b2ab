"""Every backend passes the public suite on a GPU too. One that sees none is skipped, with its own reason.

Collected without a framework: variants are named without one, and devices are asked for when the first test starts.
"""

from __future__ import annotations

import time
from importlib.util import find_spec

import pytest

from backends.conformance import BackendConformance, some_batches, start
from backends.jax import JaxBackend
from backends.numpy import NumpyBackend
from backends.tensorflow import TensorflowBackend
from backends.torch import TorchBackend

pytestmark = pytest.mark.gpu


def needs(framework: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(framework) is None, reason=f"{framework} is not installed")


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


class TestNumpy(OnGpu):
    backend = NumpyBackend()


@needs("torch")
class TestTorch(OnGpu):
    backend = TorchBackend()


@needs("tensorflow")
class TestTensorflow(OnGpu):
    backend = TensorflowBackend()


@needs("jax")
class TestJax(OnGpu):
    backend = JaxBackend()
