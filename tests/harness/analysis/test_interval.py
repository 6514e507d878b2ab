"""The bootstrap interval, and averages with theirs."""

from __future__ import annotations

import statistics

import numpy as np

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
