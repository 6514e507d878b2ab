"""NumPy's BLAS: its name and its threads, also where it is Accelerate, which threadpoolctl does not see."""

from __future__ import annotations

import sys

import pytest
import threadpoolctl

from backends.numpy import runtime


def test_threads_and_name_are_read_back() -> None:
    pools = runtime.blas_pools()
    assert runtime.blas_threads() == max((pool["num_threads"] for pool in pools), default=1)
    assert runtime.blas_name() != "accelerate"


def test_accelerate_has_the_threads_that_it_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threadpoolctl, "threadpool_info", list)
    monkeypatch.setenv("VECLIB_MAXIMUM_THREADS", "2")
    assert (runtime.blas_threads(), runtime.blas_name()) == (1, "BLAS unknown"), "elsewhere nothing is known of it"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert (runtime.blas_threads(), runtime.blas_name()) == (2, "accelerate")
