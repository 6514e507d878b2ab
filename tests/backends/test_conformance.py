"""Every built-in backend passes the public suite."""

from __future__ import annotations

from tests.fixtures.suites import suite

TestNumpy, TestTorch, TestTensorflow, TestJax = map(suite, ("numpy", "torch", "tensorflow", "jax"))
