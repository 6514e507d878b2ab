"""Naming the class of a sequence, from a fixed set of examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import ClassVar

from tasks.base import Array, Batch, Loss, Readout, Split, Task, correct, generator


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """A task over examples that exist once, read on first use. Read out at the last step; cross-entropy.

    An epoch passes over the training examples in a fresh order, without replacement; the remainder
    that does not fill a batch is left out of that epoch.
    """

    loss: ClassVar[Loss] = "cross-entropy"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    classes: ClassVar[int] = 10
    #: Number of examples per split, known without reading them.
    sizes: ClassVar[Mapping[Split, int]]

    @abstractmethod
    def examples(self, split: Split) -> tuple[Array, Array]:
        """Examples as stored, and their class numbers.

        Raises:
            DataUnavailable: they cannot be had; says how to get them.
        """

    @abstractmethod
    def sequences(self, examples: Array) -> Array:
        """Stored examples as sequences (n, length, inputs), float32."""

    @property
    def outputs(self) -> int:
        return self.classes

    @property
    def readout(self) -> Readout:
        return "last"

    def size(self, split: Split) -> int:
        return self.sizes[split]

    def batch(self, split: Split, index: int, size: int) -> Batch:
        """Training batches count on through the epochs; held-out ones are slices, the last may be short.

        Raises:
            TaskError: a batch larger than the training split, or a slice beyond the end of another.
        """
        total = self.size(split)
        if split == "train":
            self.require(size <= total, f"batch of {size} is larger than the {total} training sequences")
            epoch, position = divmod(index, total // size)
            rows: Array | slice = shuffled(self.seed, epoch, total)[position * size : (position + 1) * size]
        else:
            self.require(0 <= index * size < total, f"the {split} split of {total} has no batch {index} of {size}")
            rows = slice(index * size, (index + 1) * size)
        examples, labels = self.examples(split)
        return Batch(self.sequences(examples[rows]), labels[rows].astype("int32"))

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        return {"accuracy": float(correct(predictions, batch.y).mean())}

    @property
    def baseline(self) -> Mapping[str, float]:
        """Guessing."""
        return {"loss": log(self.classes), "accuracy": 1 / self.classes}

    @property
    def landmarks(self) -> Mapping[str, float]:
        return {"chance": log(self.classes)}


@lru_cache(maxsize=1)
def shuffled(seed: int, epoch: int, count: int) -> Array:
    """The order in which epoch number ``epoch`` visits ``count`` training examples."""
    return generator(seed, "train", epoch).permutation(count)
