"""The named shapes of ``harness speed``: sizes, loss and readout of a model, without a task."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from backends.job import Cell
from harness.specs.options import SPEED
from tasks.base import Loss, Readout

#: Options that may be lists: one contest for each combination, the last one varying fastest.
SIZES = tuple(each.parameter for each in SPEED if each.lists and each.kind is int)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The part of a speed spec that a shape fixes; each attribute but ``about`` is an option of ``harness speed``.

    Attributes:
        length: time steps of a sequence, of the longest one where lengths vary.
        shortest: time steps of the shortest sequence; None where all have ``length``.
        labels: labels of each sequence, for the loss ``ctc``.
        batch: sequences per update.
        features: inputs per time step.
        cell: None where the shape is one of any cell.
        hidden: units per layer and direction.
        layers, bidirectional: of the recurrent layers.
        outputs: numbers that are read out; for the losses of classes, how many classes.
        loss, readout: as a task has them.
        about: which model it is, and whose.
    """

    length: int
    shortest: int | None = None
    labels: int = 0
    batch: int
    features: int
    cell: Cell | None = None
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    outputs: int = 1
    loss: Loss = "mse"
    readout: Readout = "last"
    about: str = ""

    def fields(self) -> dict[str, Any]:
        """What it fixes, by the names of options of ``harness speed`` in Python."""
        return {name: value for name, value in asdict(self).items()
                if name != "about" and not (name == "cell" and value is None)}  # fmt: skip

    def with_length(self, length: int) -> Shape:
        """The same with sequences of ``length`` steps; the shortest length and the labels change in proportion."""
        return replace(
            self,
            length=length,
            shortest=None if self.shortest is None else in_proportion(self.shortest, length, self.length),
            labels=in_proportion(self.labels, length, self.length) if self.labels else 0,
        )

    def with_loss(self, loss: Loss) -> Shape:
        """The same with another loss: ``ctc`` is read out at every step, and no other loss has labels."""
        return replace(self, loss=loss, readout="every") if loss == "ctc" else replace(self, loss=loss, labels=0)


def in_proportion(number: int, length: int, original_length: int) -> int:
    """What ``number`` of ``original_length`` time steps becomes where there are ``length`` of them: at least 1."""
    return max(1, number * length // original_length)


#: ``--shape all``.
SHAPES: dict[str, Shape] = {
    "A": Shape(batch=64, length=100, features=10, hidden=50, about="the model that many tutorials show"),
    "B": Shape(batch=64, length=100, features=10, hidden=128, about="the default"),
    "C": Shape(batch=128, length=28, features=28, hidden=128, outputs=10, loss="cross-entropy", about="MNIST by rows"),
    "D": Shape(batch=64, length=784, features=1, hidden=128, outputs=10, loss="cross-entropy", about="MNIST by pixels"),
    "E": Shape(batch=32, length=50, features=28, hidden=512, about="wide and short: most of its time is in products"),
    "F": Shape(batch=64, length=100, features=123, hidden=320, outputs=10, loss="cross-entropy",
               about="braun-ce-short, of any cell"),
}  # fmt: skip

DEFAULT_SHAPE = SHAPES["B"]

_BRAUN = Shape(batch=32, length=1000, features=123, cell="lstm", hidden=320, outputs=10, loss="cross-entropy")

#: ``--shape braun``: the models of Braun 2018, "LSTM benchmarks for deep learning frameworks" (arXiv:1806.01818).
BRAUN: dict[str, Shape] = {
    "braun-ce-short": replace(_BRAUN, batch=64, length=100, about="Braun 2018, 1x320/CE-short"),
    "braun-ce-long": replace(_BRAUN, about="Braun 2018, 1x320/CE-long"),
    "braun-bi-ce-long": replace(_BRAUN, layers=4, bidirectional=True, about="Braun 2018, 4x320/CE-long"),
    "braun-bi-ctc-long": replace(
        _BRAUN, shortest=500, labels=100, layers=4, bidirectional=True, outputs=59, loss="ctc", readout="every",
        about="Braun 2018, 4x320/CTC-long",
    ),
}  # fmt: skip

ALL_SHAPES = SHAPES | BRAUN
