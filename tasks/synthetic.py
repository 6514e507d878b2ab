"""Tasks whose sequences are drawn, not read: endless training data, fixed held-out splits."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from tasks.base import Batch, Split, Task, generator

#: Sequences per held-out split.
HELD_OUT: dict[Split, int] = {"validation": 1000, "test": 2000}


@dataclass(frozen=True, kw_only=True)
class Synthetic(Task):
    """A task that is given by how one draws from it."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """``count`` fresh sequences."""

    def size(self, split: Split) -> int | None:
        return HELD_OUT.get(split)

    def batch(self, split: Split, index: int, size: int) -> Batch:
        """Training batches are drawn each from its own stream; held-out ones are slices of the fixed split.

        Raises:
            TaskError: a slice beyond the end of a held-out split.
        """
        total = HELD_OUT.get(split)
        if total is None:
            return self.draw(generator(self.seed, split, index), size)
        self.require(0 <= index * size < total, f"the {split} split of {total} has no batch {index} of {size}")
        whole = self.draw(generator(self.seed, split, 0), total)
        rows = slice(index * size, (index + 1) * size)
        return Batch(whole.x[rows], whole.y[rows])
