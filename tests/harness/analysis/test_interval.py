"""The bootstrap interval, and averages with theirs."""

from __future__ import annotations

import statistics
import tracemalloc

import numpy as np
import pytest

from harness.analysis.interval import Average, averaged, interval


def test_the_interval_holds_the_average_of_what_varies() -> None:
    values = [1.0, 1.2, 0.9, 1.1, 1.05]
    low, high = interval(values, np.mean) or (0, 0)
    assert 0.9 < low < np.mean(values) < high < 1.2
    assert interval(values[:2]) is None
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_an_average_of_too_few_values_has_no_interval() -> None:
    assert averaged([]) == Average(None, None, None)
    assert averaged([3.0, 1.0]) == Average(2.0, None, None)
    mean = averaged([1.0, 2.0, 6.0], statistics.fmean, np.mean)
    assert mean.value == 3.0
    assert mean.low is not None
    assert mean.high is not None
    assert 1.0 <= mean.low < 3.0 < mean.high <= 6.0


def test_memory_does_not_grow_with_the_runs_nor_does_the_interval_change(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=2000).tolist()
    interval(values[:9])  # imports what it needs
    tracemalloc.start()
    found = interval(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 2**20  # all resamples at once took 120 MiB
    monkeypatch.setattr("harness.analysis.interval.DRAWN", 10**9)
    assert interval(values) == found
