"""Every built-in backend passes the public suite. One whose framework is not installed is skipped, by name."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from backends.conformance import BackendConformance
from backends.jax import JaxBackend
from backends.numpy import NumpyBackend
from backends.tensorflow import TensorflowBackend
from backends.torch import TorchBackend


def needs(framework: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(framework) is None, reason=f"{framework} is not installed")


class TestNumpy(BackendConformance):
    backend = NumpyBackend()


@needs("torch")
class TestTorch(BackendConformance):
    backend = TorchBackend()


@needs("tensorflow")
class TestTensorflow(BackendConformance):
    backend = TensorflowBackend()


@needs("jax")
class TestJax(BackendConformance):
    backend = JaxBackend()
