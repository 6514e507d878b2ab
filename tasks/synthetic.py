"""Tasks whose sequences are drawn at random: endless training data, fixed held-out splits."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from tasks.base import Batch, Split, Task, generator

#: Sequences per held-out split.
HELD_OUT: dict[Split, int] = {"validation": 1000, "test": 2000}


@dataclass(frozen=True, kw_only=True)
class Synthetic(Task):
    """A task defined by how its sequences are drawn."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw ``count`` fresh sequences from ``rng``."""

    def size(self, split: Split) -> int | None:
        """1,000 validation and 2,000 test sequences; None for training, which never runs out."""
        return HELD_OUT.get(split)

    def batch(self, split: Split, index: int, size: int) -> Batch:
        """A training batch from its own random stream, or a slice of a fixed held-out split.

        Raises:
            TaskError: a slice beyond the end of a held-out split.
        """
        total = self.size(split)
        if total is None:
            return self.draw(generator(self.seed, split, index), size)
        rows = self._slice(split, index, size)
        whole = self.draw(generator(self.seed, split, 0), total)
        return Batch(whole.x[rows], whole.y[rows])
