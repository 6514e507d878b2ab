"""Which sequences train, validate and test: drawn by a seed, or in the order of their rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox  # at once: a signal that comes while this is imported is lost

from harness.datasets.checks import FEWEST
from harness.datasets.sources import Array
from harness.errors import UsageError
from tasks.base import Split

#: Shares of training, validation and, where none are given for it, test.
FRACTIONS = (0.8, 0.1, 0.1)
FRACTIONS_BESIDE_TEST = (0.9, 0.1)


@dataclass(frozen=True)
class Rule:
    """How sequences are split.

    Attributes:
        fractions: of training and validation, and of test where that is not given; None for the usual.
        seed: draws which sequence is in which split.
        by_time: in the order of rows instead: first training, then validation, then test.
        gap: sequences left out between two splits in the order of rows, whose targets overlap with both.
    """

    fractions: tuple[float, ...] | None = None
    seed: int = 0
    by_time: bool = False
    gap: int = 0

    def shares(self, test_given: bool) -> tuple[float, ...]:
        """The fractions.

        Raises:
            UsageError: they are not as many as there are splits to make, not between 0 and 1, or not 1 together.
        """
        usual = FRACTIONS_BESIDE_TEST if test_given else FRACTIONS
        shares = self.fractions or usual
        if len(shares) != len(usual):
            what = "training and validation" if test_given else "training, validation and test"
            raise UsageError(f"--fractions: {len(usual)} numbers are needed, for {what}, not {len(shares)}")
        if not all(0 < share < 1 for share in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            raise UsageError(f"--fractions: numbers between 0 and 1 that make 1, not {', '.join(map(str, shares))}")
        return shares

    def words(self, test_given: bool) -> str:
        """The rule as people read it, and as a record has it."""
        shares = " / ".join(f"{100 * share:g} %" for share in self.shares(test_given))
        how = "in the order of rows" if self.by_time else f"by seed {self.seed}"
        left_out = f", {self.gap} left out in between" if self.gap else ""
        return f"{how}: {shares}{left_out}" + (", test as given" if test_given else "")

    def rows(self, count: int, test_given: bool) -> Mapping[Split, Array]:
        """Rows of each split that is made of ``count`` sequences, in rising order.

        Raises:
            UsageError: too few sequences for these splits.
        """
        shares = self.shares(test_given)
        gaps = self.gap * (len(shares) - 1) if self.by_time else 0
        left = count - gaps
        if left < FEWEST:
            raise UsageError(f"{count:,} sequences are too few: each split needs one, and training more than that")
        sizes = [max(1, round(share * left)) for share in shares[1:]]
        sizes.insert(0, left - sum(sizes))
        if sizes[0] < 1:
            raise UsageError(f"--fractions leave none of {count:,} sequences for training")
        order = np.arange(count) if self.by_time else Generator(Philox(self.seed)).permutation(count)
        return dict(zip(("train", "validation", "test"), self._cut(order, sizes), strict=False))

    def _cut(self, order: Array, sizes: Sequence[int]) -> list[Array]:
        found, start = [], 0
        for size in sizes:
            found.append(np.sort(order[start : start + size]))
            start += size + (self.gap if self.by_time else 0)
        return found


def fractions_in(text: str) -> tuple[float, ...]:
    """The numbers of ``0.8,0.1,0.1``. Raises UsageError where these are none."""
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"--fractions takes numbers such as 0.8,0.1,0.1, not {text[:40]!r}") from None
