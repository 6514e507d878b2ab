"""What a task is: the data, the scores and the baselines of one learning problem.

A task is a frozen dataclass whose fields are its parameters. An instance draws its own data, bit for
bit the same on every machine, and scores predictions with NumPy, so that no framework grades itself.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from tasks.registry import nearest

Array = NDArray[Any]
Scalar = int | float | str | bool
Split = Literal["train", "validation", "test"]
Loss = Literal["mse", "cross-entropy", "ctc"]
Readout = Literal["last", "every"]
Predict = Callable[[Array], Array]

SPLITS: tuple[Split, ...] = get_args(Split)
#: Inputs and targets of regression are expected near 1: the gates of a cell saturate at about 10, so numbers beyond
#: 100 leave no gradient whatever the learning rate.
UNSCALED = 100.0


class TaskError(ValueError):
    """A parameter that the task does not have, or a value that it cannot take."""


class DataUnavailable(RuntimeError):
    """The task's data is missing or corrupt; the message says how to get it."""


@dataclass(frozen=True)
class Batch:
    """Sequences and their targets, batch first.

    Attributes:
        x: inputs, floats of shape (batch, length, inputs).
        y: targets. For ``mse`` floats of shape (batch, outputs), or
            (batch, length, outputs) when read out at every step. For
            ``cross-entropy`` class numbers (int32) of shape (batch,) or (batch, length).
            For ``ctc`` labels (int32) of shape (batch, labels), from 1 up (0 is the blank),
            at least one in each row, padded on the right with -1.
        lengths: how many steps each sequence has, int32 of shape (batch,), from 1 to length; the
            rest of its row is padding, which does not enter loss or gradient, whatever finite
            numbers (and, in y, valid classes) it holds. None: all sequences have the full length.
        masks: which outputs of each layer but the last reach the next one in training, bool of shape
            (batch, length, layers - 1, features). A task gives none: whoever trains with dropout draws them.
    """

    x: Array
    y: Array
    lengths: Array | None = None
    masks: Array | None = None

    def astype(self, precision: str) -> Batch:
        """The same batch with its floats rounded to ``precision``, such as ``float64``; integers stay as they are."""
        y = self.y.astype(precision) if self.y.dtype.kind == "f" else self.y
        return replace(self, x=np.ascontiguousarray(self.x, dtype=precision), y=y)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Preset:
    """Sizes of a task and of the training, under one name.

    Attributes:
        steps: training updates.
        hidden: units of the recurrent layer.
        batch: sequences per update.
        evaluate_every: updates between two evaluations on the validation split; divides ``steps``.
        lr: learning rate.
        optimizer: its name, such as ``adam``.
        clip: largest global norm of the gradient; a larger gradient is scaled down to it.
        forget_bias: initial bias of the LSTM's forget gate.
        parameters: the task's own parameters; those left out keep their defaults.
    """

    steps: int
    hidden: int
    batch: int
    evaluate_every: int
    lr: float = 1e-3
    optimizer: str = "adam"
    clip: float = 1.0
    forget_bias: float = 1.0
    parameters: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One learning problem. Subclasses are frozen dataclasses whose fields are its parameters.

    Attributes:
        name: as registered, such as ``adding``.
        summary: one line for ``harness list``.
        presets: ``smoke``, ``quick`` and ``paper``.
        loss: what is trained on; decides the shape of targets (see ``Batch``).
        score_name: the score that decides ``solved``.
        higher_is_better: whether more of that score is better.
        milestones: levels of that score; for each, the training steps until it is first reached are reported.
        seed: chooses the training data, from 0 to 2**63 - 1; no parameter of the task.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]]
    loss: ClassVar[Loss]
    score_name: ClassVar[str]
    higher_is_better: ClassVar[bool] = False
    milestones: ClassVar[tuple[float, ...]] = ()

    seed: int = field(default=0, metadata={"parameter": False})

    def __post_init__(self) -> None:
        """Check every field's type; subclasses call this first, then check their ranges.

        An int given for a float field is converted, so that equal tasks compare and print equal.

        Raises:
            TaskError: a field of the wrong type.
        """
        hints = _hints(type(self))
        for f in fields(self):
            value, hint = getattr(self, f.name), hints[f.name]
            if hint is float and type(value) is int and abs(value) <= _EXACT_IN_FLOAT:
                object.__setattr__(self, f.name, float(value))
            else:
                self.require(_fits(value, hint), f"{f.name} must be {_spoken(hint)}, not {value!r}")
        self.require(0 <= self.seed < 2**63, f"seed must be at least 0 and below 2**63, not {self.seed}")

    # -- what the model must look like ------------------------------------------------
    @property
    @abstractmethod
    def steps_in(self) -> int:
        """Length of a sequence, in time steps."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Features per time step."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that the model puts out per readout: target values or class logits."""

    @property
    @abstractmethod
    def readout(self) -> Readout:
        """Where the model is read out: at the last step or at every step."""

    @property
    def shortest(self) -> int | None:
        """Length of the shortest sequence where lengths differ, up to ``steps_in``; None where all are equally long."""
        return None

    @property
    def variable(self) -> bool:
        """Whether sequences differ in length: then every batch has ``lengths``."""
        return self.shortest is not None

    # -- data ---------------------------------------------------------------------------
    @abstractmethod
    def size(self, split: Split) -> int | None:
        """Number of sequences in ``split``; None where training draws fresh sequences without end."""

    @abstractmethod
    def batch(self, split: Split, index: int, size: int) -> Batch:
        """Batch number ``index`` of ``size`` sequences; the same bits for the same arguments.

        Raises:
            TaskError: ``size`` or ``index`` does not fit the split.
            DataUnavailable: the data is missing or corrupt.
        """

    def held_out(self, split: Split) -> Batch:
        """A whole held-out split as one batch. It does not depend on the seed.

        Raises:
            TaskError: the split has no fixed size.
            DataUnavailable: the data is missing or corrupt.
        """
        size = self.size(split)
        if size is None:
            raise TaskError(f"{self.name} has no fixed {split} split")
        return self.batch(split, 0, size)

    def updates_per_epoch(self, batch: int) -> int | None:
        """Updates of ``batch`` sequences in one pass over the training data; None where that has no end.

        Sequences left over at its end, too few to fill a batch, are dropped: every update of every backend has the same
        size, for which programs are compiled. As each epoch has another order, others are dropped each time.

        Raises:
            DataUnavailable: the data is missing.
        """
        total = self.size("train")
        return None if total is None else total // batch

    def data_digest(self) -> str | None:
        """A text that changes whenever the data does, such as a digest of the files that it is read from.

        None, the default, has the harness digest the held-out splits and the first training batches of each run. A
        task that reads files says more: those digests miss rows that a short run never draws.
        """
        return None

    def data_set(self) -> Mapping[str, Any] | None:
        """What a record says of the data set of a user's own; None for every other task."""
        return None

    # -- judgement ----------------------------------------------------------------------
    @abstractmethod
    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        """Scores by name.

        Args:
            predictions: the model's outputs for ``batch``, (batch, outputs) or, read out at every step,
                (batch, length, outputs).
        """

    def closing_scores(self, predict: Predict) -> dict[str, float]:
        """Further scores, computed once after training from predictions of the trained model.

        Args:
            predict: maps inputs (n, length, inputs), for any n, to predictions.
        """
        del predict
        return {}

    @property
    @abstractmethod
    def baseline(self) -> Mapping[str, float]:
        """Scores, by name, of a model that has learned nothing of the problem.

        Always has the main score, and ``loss`` where that is known.
        """

    @property
    def landmarks(self) -> Mapping[str, float]:
        """Levels of the loss, by name, that a plot of the loss marks with a line."""
        return {}

    @abstractmethod
    def solved(self, scores: Mapping[str, float]) -> bool:
        """Whether these test scores solve the task."""

    # -- parameters ---------------------------------------------------------------------
    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Parameter names with their default values."""
        return {f.name: f.default for f in fields(cls) if f.metadata.get("parameter", True)}

    @property
    def parameters(self) -> dict[str, Scalar]:
        """This task's parameters, by name."""
        return {name: getattr(self, name) for name in self.defaults()}

    @classmethod
    def parse(cls, name: str, text: str) -> Scalar:
        """Convert a parameter's value from text to the parameter's type.

        Raises:
            TaskError: no such parameter (the message suggests the nearest), or text that is no such value.
        """
        cls.check_parameter(name)
        hint = _hints(cls)[name]
        choices: dict[str, Scalar] = {str(choice): choice for choice in get_args(hint)}
        try:
            if hint is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            value: Scalar = choices[text] if choices else hint(text)
            return value
        except (ValueError, KeyError):
            raise TaskError(f"{cls.name}: {name} must be {_spoken(hint)}, not {text!r}") from None

    @classmethod
    def check_parameter(cls, name: str) -> None:
        """Check that the task has a parameter of this name.

        Raises:
            TaskError: it has none; the message suggests the nearest.
        """
        known = list(cls.defaults())
        if name not in known:
            raise TaskError(nearest(f"parameter of {cls.name}", name, known))

    def require(self, condition: bool, message: str) -> None:
        """Check a condition on the task's fields or arguments.

        Raises:
            TaskError: ``condition`` does not hold; says the task's name and ``message``.
        """
        if not condition:
            raise TaskError(f"{self.name}: {message}")

    def _training_rows(self, index: int, size: int) -> Array:
        """Rows (size,) of training batch number ``index`` of a finite training split, numbered on across epochs.

        Each epoch visits the sequences in a new random order, without replacement. See ``updates_per_epoch`` for those
        left over.

        Raises:
            TaskError: a batch larger than the training split.
        """
        total = self.size("train") or 0
        self.require(size <= total, f"batch of {size} is larger than the {total} training sequences")
        epoch, position = divmod(index, total // size)
        rows: Array = shuffled(self.seed, epoch, total)[position * size : (position + 1) * size]
        return rows

    def _slice(self, split: Split, index: int, size: int) -> slice:
        """Rows of batch number ``index`` of a held-out split, in order; the last batch may be short."""
        total = self.size(split) or 0
        self.require(0 <= index * size < total, f"the {split} split of {total} has no batch {index} of {size}")
        return slice(index * size, (index + 1) * size)


#: What a parameter of each type is called in a message.
_SPOKEN = {int: "a whole number", float: "a finite number", str: "a word", bool: "true or false"}
_EXACT_IN_FLOAT = 2**53


def _spoken(hint: Any) -> str:
    """The kind of value that ``hint`` asks for, in words."""
    choices = get_args(hint)
    return " or ".join(map(repr, map(str, choices))) if choices else _SPOKEN[hint]


@lru_cache
def _hints(kind: type[Task]) -> dict[str, Any]:
    """The types of a task's fields: finding them takes as long as all else in making one."""
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """Whether ``value`` is of type ``hint``. Unlike in Python, a bool is no int."""
    if choices := get_args(hint):
        return any(value == choice and type(value) is type(choice) for choice in choices)
    if hint is float:
        return isinstance(value, float) and math.isfinite(value)
    return isinstance(value, hint) and isinstance(value, bool) == (hint is bool)


def generator(seed: int, split: Split, index: int) -> np.random.Generator:
    """The random stream of one batch. It is counter-based (Philox), so any batch can be drawn on its own.

    Held-out splits ignore the seed: every run of a task is scored on the same sequences.
    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    key = [seed if split == "train" else 0, SPLITS.index(split)]
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, index, 0]))


@lru_cache(maxsize=1)
def shuffled(seed: int, epoch: int, count: int) -> Array:
    """The order, a permutation of shape (count,), in which epoch number ``epoch`` visits the training sequences."""
    return generator(seed, "train", epoch).permutation(count)


def within(lengths: Array, length: int) -> Array:
    """Which steps belong to each sequence, and are no padding: bool (batch, length), for lengths (batch,)."""
    steps: Array = np.arange(length) < lengths[:, None]
    return steps


def loss_value(loss: Loss, predictions: Array, targets: Array, lengths: Array | None = None) -> float:
    """The mean loss, computed in float64.

    ``mse``: mean squared difference over all elements, predictions and targets of one shape.
    ``cross-entropy``: mean over all positions of −log softmax(predictions)[target], for logits
    (..., classes) and class numbers (...).

    Args:
        lengths: of sequences that are read out at every step, (batch,): steps beyond them are not in the mean.

    Raises:
        ValueError: ``ctc``, which is not computed here.
    """
    if loss == "ctc":
        raise ValueError("tasks do not compute the CTC loss; backends.ctc does")
    if lengths is not None:
        valid = within(lengths, predictions.shape[1])
        predictions, targets = predictions[valid], targets[valid]
    p = predictions.astype(np.float64)
    if loss == "mse":
        return float(np.mean((p - targets) ** 2))
    shifted = p - p.max(axis=-1, keepdims=True)
    log_z = np.log(np.exp(shifted).sum(axis=-1))
    chosen = np.take_along_axis(shifted, targets[..., None].astype(np.int64), axis=-1)[..., 0]
    return float(np.mean(log_z - chosen))


def correct(predictions: Array, targets: Array) -> Array:
    """Whether the largest logit is the target's: bool (...), for logits (..., classes) and class numbers (...).

    False where the largest logit is not finite.
    """
    hits: Array = (predictions.argmax(axis=-1) == targets) & np.isfinite(predictions.max(axis=-1))
    return hits
