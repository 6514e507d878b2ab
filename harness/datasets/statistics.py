"""What a split's values are like, gathered block by block: moments of numbers, frequencies of classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from harness.datasets.sources import Array
from harness.errors import UsageError

#: Numbers of classes beyond this are taken for a slip: numbers to predict, or names.
MOST_CLASSES = 65_536


@dataclass
class Moments:
    """Count, mean, variance and range of each column, in float64.

    Blocks are merged as Chan, Golub and LeVeque (1979) do, which loses no digits where the mean is large.
    """

    count: int = 0
    mean: Array = field(default_factory=lambda: np.zeros(0))
    squares: Array = field(default_factory=lambda: np.zeros(0))
    low: Array = field(default_factory=lambda: np.zeros(0))
    high: Array = field(default_factory=lambda: np.zeros(0))

    def add(self, values: Array) -> None:
        """Add rows (n, columns)."""
        if not len(values):
            return
        values = values.astype(np.float64)
        count, mean, low, high = len(values), values.mean(axis=0), values.min(axis=0), values.max(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        if self.count:
            apart, total = mean - self.mean, self.count + count
            squares = self.squares + squares + apart**2 * self.count * count / total
            mean = self.mean + apart * count / total
            low, high, count = np.minimum(low, self.low), np.maximum(high, self.high), total
        self.count, self.mean, self.squares, self.low, self.high = count, mean, squares, low, high

    @property
    def variance(self) -> Array:
        """Of the population."""
        variance: Array = self.squares / max(1, self.count)
        return variance

    @property
    def constant(self) -> list[int]:
        """Columns with one value alone."""
        return [int(column) for column in np.flatnonzero(self.low == self.high)]

    @property
    def scale(self) -> Array:
        """Standard deviation of each column; 1 for a constant one, which nothing can scale."""
        scale: Array = np.where(self.low == self.high, 1.0, np.sqrt(self.variance))
        return np.where(scale > 0, scale, 1.0)

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return float(max(-self.low.min(), self.high.max()))


@dataclass
class Frequencies:
    """How often each class occurs."""

    counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, classes: Array) -> None:
        """Add class numbers. Raises UsageError where one is too large to be one."""
        if not classes.size:
            return
        if (most := int(classes.max())) >= MOST_CLASSES:
            raise UsageError(
                f"classes go up to {most:,}, more than {MOST_CLASSES:,}; whole numbers to predict as numbers need "
                "--regression"
            )
        found = np.bincount(classes.ravel().astype(np.int64), minlength=len(self.counts))
        found[: len(self.counts)] += self.counts
        self.counts = found

    def padded(self, classes: int) -> Array:
        """Counts of so many classes."""
        return np.pad(self.counts, (0, classes - len(self.counts)))
