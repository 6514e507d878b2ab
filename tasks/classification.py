"""Classifying sequences of a fixed data set: any examples, and images of digits read as sequences."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import ClassVar

from tasks.base import Array, Batch, Loss, Readout, Split, Task, correct


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """A task over a fixed data set, read on first use. Read out at the last step, trained on cross-entropy.

    Each epoch visits the training examples in a new random order, without replacement. Examples left
    over at its end, too few to fill a batch, are dropped.

    Attributes:
        classes: number of classes.
        sizes: number of examples per split, known without reading them.
    """

    loss: ClassVar[Loss] = "cross-entropy"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    classes: ClassVar[int] = 10
    sizes: ClassVar[Mapping[Split, int]]

    @abstractmethod
    def examples(self, split: Split) -> tuple[Array, Array]:
        """All examples of a split as stored (n, ...), and their class numbers (n,).

        Raises:
            DataUnavailable: the data is missing or corrupt; the message says how to get it.
        """

    @abstractmethod
    def sequences(self, examples: Array) -> Array:
        """Convert stored examples to sequences, float32 of shape (n, length, inputs)."""

    @property
    def outputs(self) -> int:
        """One logit per class."""
        return self.classes

    @property
    def readout(self) -> Readout:
        """At the last step."""
        return "last"

    def size(self, split: Split) -> int:
        """Number of examples in ``split``; reads no data."""
        return self.sizes[split]

    def batch(self, split: Split, index: int, size: int) -> Batch:
        """A training batch, numbered on across epochs, or a slice of a held-out split; its last may be short.

        Raises:
            TaskError: a batch larger than the training split, or a slice beyond the end of a held-out one.
            DataUnavailable: the data is missing or corrupt.
        """
        if split == "train":
            rows: Array | slice = self._training_rows(index, size)
        else:
            rows = self._slice(split, index, size)
        examples, labels = self.examples(split)
        return Batch(self.sequences(examples[rows]), labels[rows].astype("int32"))

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        """``accuracy``, from 0 to 1, of logits (batch, classes)."""
        return {"accuracy": float(correct(predictions, batch.y).mean())}

    @property
    def baseline(self) -> Mapping[str, float]:
        """Uniform guessing."""
        return {"loss": log(self.classes), "accuracy": 1 / self.classes}

    @property
    def landmarks(self) -> Mapping[str, float]:
        """The loss of uniform guessing."""
        return {"chance": log(self.classes)}


@dataclass(frozen=True, kw_only=True)
class SequentialImages(Classification):
    """Square images, read one row per step or one pixel per step.

    Attributes:
        side: pixels per row and per column.
        solved_accuracy: the test accuracy that solves the task, by ``order``.
    """

    side: ClassVar[int]
    solved_accuracy: ClassVar[Mapping[str, float]]

    order: str = "row"

    @property
    def steps_in(self) -> int:
        """One step per row, or one per pixel in any other order."""
        return self.side if self.order == "row" else self.side**2

    @property
    def inputs(self) -> int:
        """A row's pixels, or one pixel."""
        return self.side if self.order == "row" else 1

    def solved(self, scores: Mapping[str, float]) -> bool:
        """Whether the accuracy is at least that which solves the task in this order."""
        return scores["accuracy"] >= self.solved_accuracy[self.order]
