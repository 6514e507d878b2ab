"""The 95 % bootstrap interval of a mean or a median."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: Values below which an interval would say nothing.
FEWEST = 3
RESAMPLES = 4000


def interval(values: Sequence[float], statistic: Callable[..., Any] = np.median) -> tuple[float, float] | None:
    """Percentile bootstrap, 95 %, of ``np.median`` or ``np.mean``; None of fewer than ``FEWEST`` values."""
    if len(values) < FEWEST:
        return None
    if min(values) == max(values):
        return float(values[0]), float(values[0])  # scipy warns of a degenerate distribution
    from scipy.stats import bootstrap  # a second of importing: only once all is measured

    found = bootstrap(
        (np.asarray(values),), statistic, n_resamples=RESAMPLES, method="percentile", random_state=0, vectorized=True
    ).confidence_interval
    return float(found.low), float(found.high)
