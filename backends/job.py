"""What a backend is asked to do: models, update rules, precisions, and the job that holds them.

A backend sees a *job*, never a task, so that no backend can favour one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from backends.own import OWN, OwnModel
from tasks.base import Batch, Loss, Readout

Array = NDArray[Any]
Parameters = dict[str, Array]
Cell = Literal["rnn", "lstm", "gru", "gru-reset-before"]
#: What a spec may say in place of a cell: a model of a user's own, which has none of these.
AnyCell = Literal[Cell, "own"]
Device = Literal["cpu", "cuda"]
Precision = Literal["float32", "float64", "tf32", "bfloat16"]
OptimizerName = Literal["adam", "adamw", "rmsprop", "sgd"]
Schedule = Literal["constant", "step", "cosine"]
#: Precisions that every framework computes on every device.
IEEE: tuple[Precision, ...] = ("float32", "float64")
#: Those that PyTorch, TensorFlow and JAX compute.
MIXED: dict[Device, tuple[Precision, ...]] = {"cpu": (*IEEE, "bfloat16"), "cuda": get_args(Precision)}
CELLS: tuple[Cell, ...] = get_args(Cell)
CELL_SUMMARIES: dict[Cell, str] = {
    "rnn": "h' = tanh(W x + U h + b)  (Elman 1990)",
    "lstm": "input, forget and output gates, one bias  (Hochreiter & Schmidhuber 1997; Gers et al. 2000)",
    "gru": "reset after the recurrent product, two biases, as cuDNN computes it",
    "gru-reset-before": "reset before the recurrent product, h' = (1-z) h + z n  (Cho et al. 2014)",
}


def host_dtype(precision: Precision) -> Literal["float32", "float64"]:
    """The type of host arrays in ``precision``, of parameters, gradients, optimizer state, readout and loss."""
    return "float64" if precision == "float64" else "float32"


def layer_dtype(precision: Precision) -> Literal["float32", "float64", "bfloat16"]:
    """The type in which the recurrent layers hold cast weights, inputs, gates and states."""
    return "bfloat16" if precision == "bfloat16" else host_dtype(precision)


@dataclass(frozen=True)
class ModelSpec:
    """Recurrent layers and one linear readout.

    ``readout="last"`` reads the final state of each direction (the backward direction's final
    state is the one at the first time step); ``"every"`` reads both directions at each step.
    """

    cell: Cell
    inputs: int
    hidden: int
    outputs: int
    readout: Readout
    layers: int = 1
    bidirectional: bool = False

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own, of which nothing is known but the sizes that are offered to it."""
        return str(self.cell) == OWN

    @property
    def directions(self) -> int:
        """How many directions each layer reads in."""
        return 2 if self.bidirectional else 1

    @property
    def features(self) -> int:
        """Width of a layer's output, which the next layer or the readout gets."""
        return self.hidden * self.directions

    def width_into(self, layer: int) -> int:
        """Features per time step that ``layer`` (from 0) receives."""
        return self.inputs if layer == 0 else self.features


@dataclass(frozen=True)
class OptimizerSpec:
    """One explicit update rule for every framework.

    g is the gradient after clipping, lr the rate of the update (``rate``), λ is ``weight_decay``.

    Clipping: g ← g · clip / ‖g‖ where the global norm ‖g‖ over all parameters exceeds ``clip``; or each element
    of g into [−``clip_value``, ``clip_value``] (torch's ``clip_grad_value_``, Keras's ``clipvalue``). One of them.
    Weight decay is of all parameters, biases included, as PyTorch has it without parameter groups:
      adamw    p ← p − lr · λ · p, then adam's step            (decoupled; Loshchilov & Hutter 2019, as torch has it)
      others   g ← g + λ · p after clipping, then their steps   (L2: the gradient of λ/2 · ‖p‖² is added)
    Steps:
      adam     m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;
               p ← p − lr · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)      (Kingma & Ba 2015, algorithm 1)
      rmsprop  v ← αv + (1−α)g²;  p ← p − lr · g / (√v + ε)         (Hinton 2012, as torch has it)
      sgd      p ← p − lr · g

    The rate changes with ``schedule`` and ``warmup``; ``rate`` prints how. ``updates`` is how many there will be, for
    the cosine; None where no last one is known, as in a contest: then the cosine stays at its beginning.
    """

    name: OptimizerName = "adam"
    lr: float = 1e-3
    clip: float | None = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    alpha: float = 0.99
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_value: float | None = None
    schedule: Schedule = "constant"
    warmup: int = 0
    decay_every: int | None = None
    decay_by: float | None = None
    updates: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for values that are no rule together."""
        if self.clip and self.clip_value:
            # which comes first would be another rule
            raise ValueError("clip and clip-value: the gradient is clipped by its global norm or by value; give one")
        decay = {"decay-every": self.decay_every, "decay-by": self.decay_by}
        for name, value in decay.items():
            if self.schedule == "step" and value is None:
                raise ValueError(f"schedule step needs {' and '.join(decay)}: after how many updates, and the factor")
            if self.schedule != "step" and value is not None:
                raise ValueError(f"{name} is of schedule step, not of {self.schedule}")

    @property
    def scheduled(self) -> bool:
        """Whether the rate changes from update to update."""
        return self.schedule != "constant" or self.warmup > 0

    def rate(self, t: int) -> float:
        """The learning rate of update t, counted from 1. With k = t − 1 − warmup, the updates since the warm-up:

          warm-up  lr · t / warmup                                       while k < 0
          constant lr                                                    else
          step     lr · decay_by^⌊k / decay_every⌋
          cosine   lr · ½ (1 + cos(π k / (updates − warmup)))            (Loshchilov & Hutter 2017, without restarts)

        A rate that changes is rounded to float32, the same number in every precision: it is an input of compiled
        programs, and PyTorch's fused optimizers take it from a GPU's memory in no other type.
        """
        if not self.scheduled:
            return self.lr
        k = t - 1 - self.warmup
        if k < 0:
            factor = t / self.warmup
        elif self.decay_every and self.decay_by:
            factor = self.decay_by ** (k // self.decay_every)
        elif self.schedule == "cosine" and self.updates:
            factor = 0.5 * (1 + math.cos(math.pi * min(k / max(self.updates - self.warmup, 1), 1.0)))
        else:
            factor = 1.0
        return float(np.float32(self.lr * factor))

    def rates(self, done: int, count: int) -> Array:
        """The rates of the ``count`` updates that follow the first ``done``; float64, shape (count,)."""
        return np.array([self.rate(t) for t in range(done + 1, done + count + 1)])

    @property
    def rule(self) -> Literal["adam", "rmsprop", "sgd"]:
        """The step by which gradients become a change of the parameters: adamw's is adam's."""
        return "adam" if self.name == "adamw" else self.name

    @property
    def l2(self) -> float:
        """λ where weight decay is added to the gradient; else 0."""
        return 0.0 if self.name == "adamw" else self.weight_decay

    @property
    def decoupled(self) -> float:
        """λ where weight decay is apart from the gradient; else 0."""
        return self.weight_decay if self.name == "adamw" else 0.0


@dataclass(frozen=True)
class Job:
    """The part of a run's spec that a backend may know."""

    model: ModelSpec
    loss: Loss
    optimizer: OptimizerSpec
    batch: int
    length: int
    device: Device = "cpu"
    variant: str = "auto"
    precision: Precision = "float32"
    threads: int = 1
    deterministic: bool = True
    chunk: int = 1  # the most updates in one call of ``train``: a fused variant compiles for it
    variable: bool = False  # sequences differ in length, at most ``length``; see ``Batch.lengths``
    labels: int = 0  # for ``ctc``: the most labels that a sequence has
    label_smoothing: float = 0.0  # of ``cross-entropy``: the target is (1 − s) · one-hot + s / classes
    dropout: float = 0.0  # share of units dropped between layers in training; which ones, ``Batch.masks`` say
    own: OwnModel | None = None  # a user's own model, where ``model`` is none of a cell
    accumulate: int = 1  # micro-batches that a batch is computed as, for one update: see ``backends.accumulation``

    def __post_init__(self) -> None:
        """Raises ValueError for a CTC loss without labels, or read out at the last step only; for label smoothing that
        is not from 0 to below 1, or of another loss than cross-entropy; for dropout out of that range, or of a model
        with one layer; for unequal shares of a batch."""
        if self.batch % self.accumulate:
            raise ValueError(f"accumulate: {self.accumulate} is no divisor of a batch of {self.batch}")
        if self.loss == "ctc" and (self.model.readout != "every" or self.labels < 1 or self.model.outputs < 2):
            raise ValueError("ctc needs a readout at every step, labels >= 1, and outputs for the blank and a class")
        if not 0 <= self.label_smoothing < 1 or (self.label_smoothing and self.loss != "cross-entropy"):
            raise ValueError("label smoothing is from 0 to below 1, and of cross-entropy alone")
        if not 0 <= self.dropout < 1 or (self.dropout and self.model.layers < 2):
            raise ValueError("dropout is from 0 to below 1, and between layers, of which there must be two")

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """The type of host arrays, parameters, gradients, optimizer state, readout and loss."""
        return host_dtype(self.precision)

    @property
    def layer_dtype(self) -> Literal["float32", "float64", "bfloat16"]:
        """The type in which the recurrent layers compute."""
        return layer_dtype(self.precision)

    @property
    def micro(self) -> Job:
        """The job of one micro-batch; itself where a batch is computed as a whole."""
        return self if self.accumulate == 1 else replace(self, batch=self.batch // self.accumulate, accumulate=1)

    def resized(self, batch: int) -> Job:
        """The same job for another batch size."""
        return replace(self, batch=batch)


def micro_batches(job: Job, batch: Batch) -> list[Batch]:
    """A batch as those that it is computed as, its sequences in their order."""
    size = job.micro.batch
    rows = [slice(start, start + size) for start in range(0, job.batch, size)]

    def of(array: Array | None, which: slice) -> Array | None:
        return None if array is None else array[which]

    return [Batch(batch.x[each], batch.y[each], of(batch.lengths, each), of(batch.masks, each)) for each in rows]


def checked_lengths(job: Job, lengths: Array | None) -> Array | None:
    """The lengths that ``job`` computes with: None unless it is ``variable``, and then full ones where none are given.

    Raises:
        ValueError: lengths for a job that is not ``variable``, or out of 1 … length.
    """
    if not job.variable:
        if lengths is not None:
            raise ValueError("the batch has lengths, but its job is not variable")
        return None
    if lengths is None:
        return np.full(job.batch, job.length, np.int32)
    if lengths.min() < 1 or lengths.max() > job.length:
        raise ValueError(f"lengths go from 1 to {job.length}, not {lengths.min()} to {lengths.max()}")
    return lengths.astype(np.int32)


def checked_masks(job: Job, masks: Array | None, time_first: bool = True) -> Array | None:
    """The masks that ``job`` trains with, as ``Batch`` has them, layer by layer: a contiguous copy or view of shape
    (layers - 1, length, batch, features), or (layers - 1, batch, length, features) where not ``time_first``.

    None for a job without dropout.

    Raises:
        ValueError: masks for a job without dropout, none for one with it, or of another shape.
    """
    if not job.dropout:
        if masks is not None:
            raise ValueError("the batch has masks, but its job has no dropout")
        return None
    shape = job.length, job.model.layers - 1, job.model.features
    if masks is None or masks.shape[1:] != shape:
        raise ValueError(f"a job with dropout needs masks of shape (batch, {', '.join(map(str, shape))})")
    return np.ascontiguousarray(masks.transpose((2, 1, 0, 3) if time_first else (2, 0, 1, 3)))


def kept_scale(job: Job) -> float:
    """What the units that ``job`` keeps between layers are multiplied by in training: 1 / (1 − p)."""
    return 1 / (1 - job.dropout)


def chunks(batches: Sequence[Batch], size: int) -> Iterator[tuple[int, list[Batch]]]:
    """Groups of ``size`` batches, each with the number that counts: the last group repeats its last batch."""
    for start in range(0, len(batches), size):
        part = list(batches[start : start + size])
        yield len(part), part + part[-1:] * (size - len(part))


def time_major(x: Array) -> Array:
    """(batch, length, …) as a contiguous (length, batch, …)."""
    return np.ascontiguousarray(x.swapaxes(0, 1))
