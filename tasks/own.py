"""Tasks given by data: for each data set of a user's own a task of its name, made when it is asked for.

A task of this kind has one parameter, ``data``: the beginning of the digest of the data set. A spec therefore says
which data it is about, and finds it again whatever it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np

from tasks import datasets
from tasks.base import Array, Batch, Loss, Preset, Readout, Split, Task, correct, loss_value, within
from tasks.datasets import DataSet

#: Updates that a preset is to have, about; a whole number of epochs up to the most, unless one takes longer than that.
_UPDATES = {"smoke": (1000, 2000), "quick": (5000, 10_000), "paper": (20_000, 100_000)}
#: Of each preset, as tutorials have them.
HIDDEN, BATCH, RATE = 50, 64, 1e-3
MOST_EPOCHS = {"smoke": 50, "quick": 200, "paper": 500}
#: Evaluations of a preset, about.
EVALUATIONS = 10


@dataclass(frozen=True, kw_only=True)
class OwnData(Task):
    """A task whose sequences are those of a stored data set. ``kind`` makes a subclass of it for each.

    Scores: ``mse`` for numbers, ``accuracy`` for classes; of sequences that differ in length and are read out at every
    step, over the steps that exist. Solved: better than the baseline, a model that always answers with the training
    targets' mean, or with their most frequent class. No criterion is known for anyone's own data.
    """

    stored: ClassVar[DataSet]

    data: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.data == self.stored.short, f"data must be {self.stored.short!r}, not {self.data!r}")

    @property
    def steps_in(self) -> int:
        """Of the longest sequence."""
        return self.stored.length

    @property
    def inputs(self) -> int:
        """Features."""
        return self.stored.inputs

    @property
    def outputs(self) -> int:
        """Numbers or classes."""
        return self.stored.outputs

    @property
    def readout(self) -> Readout:
        """At every step where each has a target, else at the last step of a sequence."""
        return self.stored.readout

    @property
    def shortest(self) -> int | None:
        """Time steps of the shortest sequence of any split, where lengths differ."""
        return self.stored.shortest

    def size(self, split: Split) -> int:
        """Number of sequences in ``split``; reads no array."""
        return self.stored.splits[split]

    def batch(self, split: Split, index: int, size: int) -> Batch:
        """A training batch, numbered on across epochs, or a slice of a held-out split; its last may be short.

        Only the rows of the batch are read.

        Raises:
            TaskError: a batch larger than the training split, or a slice beyond the end of a held-out one.
            DataUnavailable: files are missing, or not as they were written.
        """
        rows = self._training_rows(index, size) if split == "train" else self._slice(split, index, size)
        x, y, lengths = self.stored.arrays(split)
        return Batch(np.asarray(x[rows]), np.asarray(y[rows]), None if lengths is None else np.asarray(lengths[rows]))

    def data_digest(self) -> str:
        """That of the data set."""
        return self.stored.sha256

    def data_set(self) -> Mapping[str, Any]:
        """Name, digest, shapes and splits; never where it lies or came from."""
        stored = self.stored
        about = ("sha256", "length", "inputs", "outputs", "shortest", "splits", "split_by")
        return {"name": self.name, **{each: getattr(stored, each) for each in about},
                "standardised": stored.standardised is not None}  # fmt: skip

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        """``mse`` of numbers, or ``accuracy`` from 0 to 1 of class logits."""
        counted = batch.lengths if self.readout == "every" else None
        if self.loss == "mse":
            return {"mse": loss_value("mse", predictions, batch.y, counted)}
        hits = correct(predictions, batch.y)
        return {"accuracy": float((hits if counted is None else hits[within(counted, hits.shape[1])]).mean())}

    @property
    def baseline(self) -> Mapping[str, float]:
        """Of always answering with the mean of the training targets, or with the frequencies of their classes."""
        return self.stored.baseline

    @property
    def landmarks(self) -> Mapping[str, float]:
        """The baseline's loss."""
        return {"training mean" if self.loss == "mse" else "class frequencies": self.stored.baseline["loss"]}

    def solved(self, scores: Mapping[str, float]) -> bool:
        """Whether the main score is better than the baseline's."""
        ours, theirs = scores[self.score_name], self.baseline[self.score_name]
        return ours > theirs if self.higher_is_better else ours < theirs


def names() -> list[str]:
    """Of all stored data sets."""
    return sorted(datasets.names())


def load(name: str) -> type[OwnData]:
    """The task of the data set that has this name. Raises LookupError where there is none."""
    return kind(name, datasets.named(name))


def find(name: str, short: str) -> type[OwnData]:
    """The task of the data set whose digest begins with ``short``, under the name ``name``.

    Raises:
        MissingData: it is not here.
    """
    return kind(name, datasets.find(name, short))


def kind(name: str, stored: DataSet) -> type[OwnData]:
    """The class of the task that is learned from ``stored``."""
    classes = stored.loss == "cross-entropy"
    loss: Loss = stored.loss
    made = type(
        "OwnData", (OwnData,),
        {
            "__module__": __name__, "__doc__": OwnData.__doc__, "__annotations__": {"data": str}, "data": stored.short,
            "stored": stored, "name": name, "summary": summary(stored), "presets": presets(stored.splits["train"]),
            "loss": loss, "score_name": "accuracy" if classes else "mse", "higher_is_better": classes,
        },
    )  # fmt: skip
    return dataclass(frozen=True, kw_only=True)(made)


def summary(stored: DataSet) -> str:
    """What is learned, in a line."""
    what = f"one of {stored.outputs} classes" if stored.loss == "cross-entropy" else _counted(stored.outputs, "number")
    steps = (
        _counted(stored.length, "step") if stored.shortest is None else f"{stored.shortest} to {stored.length} steps"
    )
    where = "at every step" if stored.readout == "every" else "from each sequence"
    return f"your own data: {what} {where}, {steps} of {_counted(stored.inputs, 'feature')}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def presets(sequences: int) -> dict[str, Preset]:
    """Presets for so many training sequences: 50 units, batches of 64, Adam at 1e-3, and epochs by size.

    Each has about as many updates as the name promises time, in whole epochs where one is not longer than that.
    """
    batch = min(BATCH, sequences)
    per_epoch = sequences // batch
    found = {}
    for name, (wanted, most) in _UPDATES.items():
        epochs = max(1, min(MOST_EPOCHS[name], round(wanted / per_epoch)))
        if epochs > EVALUATIONS:
            epochs = EVALUATIONS * ceil(epochs / EVALUATIONS)
        steps = epochs * per_epoch
        every = per_epoch * max(1, epochs // EVALUATIONS)
        if steps > most:
            steps, every = most, most // EVALUATIONS
        found[name] = Preset(steps, HIDDEN, batch, every, lr=RATE)
    return found
