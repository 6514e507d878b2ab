"""What a backend is asked to do: models, update rules, precisions, and the job that holds them.

A backend sees a *job*, never a task, so that no backend can favour one.
"""

from __future__ import annotations

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
OptimizerName = Literal["adam", "rmsprop", "sgd"]
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
    """One explicit update rule for every framework (g is the gradient after clipping).

    Clipping: g ← g · clip / ‖g‖ where the global norm ‖g‖ over all parameters exceeds ``clip``.
      adam     m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;
               p ← p − lr · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)      (Kingma & Ba 2015, algorithm 1)
      rmsprop  v ← αv + (1−α)g²;  p ← p − lr · g / (√v + ε)         (Hinton 2012, as torch has it)
      sgd      p ← p − lr · g
    """

    name: OptimizerName = "adam"
    lr: float = 1e-3
    clip: float | None = 1.0
    beta1: float = 0.9
    beta2: float = 0.999
    alpha: float = 0.99
    epsilon: float = 1e-8


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
    own: OwnModel | None = None  # a user's own model, where ``model`` is none of a cell

    def __post_init__(self) -> None:
        """Raises ValueError for a CTC loss without labels, or read out at the last step only."""
        if self.loss == "ctc" and (self.model.readout != "every" or self.labels < 1 or self.model.outputs < 2):
            raise ValueError("ctc needs a readout at every step, labels >= 1, and outputs for the blank and a class")

    @property
    def dtype(self) -> Literal["float32", "float64"]:
        """The type of host arrays, parameters, gradients, optimizer state, readout and loss."""
        return host_dtype(self.precision)

    @property
    def layer_dtype(self) -> Literal["float32", "float64", "bfloat16"]:
        """The type in which the recurrent layers compute."""
        return layer_dtype(self.precision)

    def resized(self, batch: int) -> Job:
        """The same job for another batch size."""
        return replace(self, batch=batch)


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


def chunks(batches: Sequence[Batch], size: int) -> Iterator[tuple[int, list[Batch]]]:
    """Groups of ``size`` batches, each with the number that counts: the last group repeats its last batch."""
    for start in range(0, len(batches), size):
        part = list(batches[start : start + size])
        yield len(part), part + part[-1:] * (size - len(part))


def time_major(x: Array) -> Array:
    """(batch, length, …) as a contiguous (length, batch, …)."""
    return np.ascontiguousarray(x.swapaxes(0, 1))
