"""The bootstrap interval, and averages with theirs."""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap

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


@pytest.mark.parametrize("count", [3, 4, 7, 20, 263, 500])
@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_the_figures_are_those_of_scipy(count: int, statistic: Callable[..., Any]) -> None:
    draw = np.random.default_rng(count)
    for values in (draw.lognormal(size=count), np.append(draw.integers(0, 3, size=count - 1), 3) / 8):
        theirs = bootstrap(
            (values,), statistic, n_resamples=4000, method="percentile", random_state=0, vectorized=True
        ).confidence_interval
        assert interval(values.tolist(), statistic) == pytest.approx((theirs.low, theirs.high), rel=1e-13)


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_of_many_values_it_is_what_resampling_leads_to(
    statistic: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).lognormal(size=1000).tolist()
    low, high = interval(values, statistic) or (0, 0)
    monkeypatch.setattr("harness.analysis.interval.MANY", 10**9)
    # the ends of 4000 resamples are themselves uncertain by about 4 % of half its width
    assert (low, high) == pytest.approx(interval(values, statistic), abs=0.06 * (high - low))


def test_memory_does_not_grow_with_the_runs() -> None:
    values = np.random.default_rng(0).normal(size=200_000).tolist()
    tracemalloc.start()
    interval(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * 2**20  # all resamples at once took 120 MiB for 2000 values
