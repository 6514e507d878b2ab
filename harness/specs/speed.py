"""The spec of one contestant in a speed contest: a model and the shape of its data, without a task."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from backends.job import Device, Job, Precision
from harness.specs.base import (
    Count,
    DataShape,
    Denormals,
    Frozen,
    Model,
    Name,
    Optimizer,
    Positive,
    Share,
    check_accumulate,
    job_of,
)
from harness.specs.options import SPEED, filled, nested
from harness.specs.shapes import Shape, in_proportion
from tasks.base import Loss, Readout, Scalar

#: What a turn is of: updates; predictions from arrays on the host to outputs on the host; or predictions of inputs that
#: are on the device, whose outputs stay there.
Measure = Literal["train", "predict", "predict-resident"]

#: Fields that differ from the named shape: by name, the shape's value and the spec's.
Changes = dict[str, tuple[Scalar | None, Scalar | None]]


class SpeedSpec(Frozen):
    """Everything that decides one contestant of a speed contest; immutable.

    Attributes:
        measure: what a turn is of: updates, or predictions of one batch each.
        backend, variant, device, precision, threads, denormals, deterministic: as in ``RunSpec``.
        model, optimizer: what is trained, by which rule; initial parameters are drawn as those of a run.
        batch, length, features: the input of one update has the shape (batch, length, features).
        shortest: length of the shortest sequence where lengths vary; None where all have ``length``.
        outputs, loss, readout: as a task has them; targets are random, as the inputs are.
        labels: labels of each sequence, for ``ctc``; 0 for other losses.
        accumulate: as in ``RunSpec``.
        chunk: the most updates that are handed over at once; a fused variant compiles for it.
        seed: of the data and of the initial parameters.
    """

    measure: Measure = "train"
    backend: Name
    variant: Name = "auto"
    device: Device = "cpu"
    precision: Precision = "float32"
    threads: Positive
    denormals: Denormals = "flush"
    deterministic: bool = True
    model: Model
    batch: Positive
    length: Positive
    features: Positive
    shortest: Positive | None = None
    outputs: Positive = 1
    loss: Loss = "mse"
    readout: Readout = "last"
    labels: Count = 0
    optimizer: Optimizer = Optimizer()
    accumulate: Positive = 1
    chunk: Positive = 8
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @model_validator(mode="after")
    def _possible(self) -> SpeedSpec:
        check_accumulate(self.batch, self.accumulate)
        if problem := self._impossible():
            raise ValueError(problem)
        return self

    def _impossible(self) -> str | None:
        """Why no contest can be held: lengths or labels that do not fit, or CTC without what it needs."""
        if self.shortest is not None and self.shortest > self.length:
            return f"shortest: at most the length, {_steps(self.length)}, not {self.shortest}"
        if self.loss != "ctc":
            return f"labels: only loss ctc has labels, not {self.loss}" if self.labels else None
        if self.readout != "every":
            return f"loss: ctc needs readout every, not {self.readout}"
        if self.outputs < 2:
            return f"loss: ctc needs outputs for the blank and a class, at least 2, not {self.outputs}"
        if not self.labels:
            return "loss: ctc needs labels, at least 1 per sequence"
        room = self.length if self.shortest is None else self.shortest
        # labels of one class need a blank between any two of them
        most, of_one_class = ((room + 1) // 2, " of one class") if self.outputs == 2 else (room, "")
        if self.labels > most:
            where = _steps(room) if self.shortest is None else f"the {_steps(room)} of the shortest sequence"
            return f"labels: {self.labels}{of_one_class} do not fit into {where}: at most {most}"
        return None

    @classmethod
    def of_shape(cls, shape: Shape, **chosen: Any) -> SpeedSpec:
        """The spec of a contestant on ``shape``.

        Args:
            chosen: values of options of ``harness speed``, one each, which win over the shape's.

        Raises:
            ValidationError: a value out of its range, or values that do not fit together.
        """
        return cls.model_validate(nested(filled(SPEED, shape.fields() | chosen)))

    @property
    def predicts(self) -> bool:
        """Whether a turn is of predictions, whichever, and not of updates."""
        return self.measure != "train"

    def shortened(self, length: int) -> SpeedSpec:
        """The same with at most ``length`` steps; the shortest length and the labels change in proportion."""
        if self.length <= length:
            return self
        followers = {name: n for name, n in (("shortest", self.shortest), ("labels", self.labels)) if n}
        scaled = {name: in_proportion(n, length, self.length) for name, n in followers.items()}
        return self.model_copy(update={"length": length, **scaled})

    def job(self) -> Job:
        """The part of this spec that a backend may know."""
        data = DataShape(
            inputs=self.features, outputs=self.outputs, readout=self.readout, loss=self.loss, length=self.length,
            labels=self.labels, variable=self.shortest is not None,
        )  # fmt: skip
        return job_of(self, data)

    def shape(self) -> dict[str, Any]:
        """What all contestants of one contest share: everything but backend, variant and device."""
        return self.model_dump(mode="json", exclude={"backend", "variant", "device"})


class ContestantSpec(SpeedSpec):
    """What a live contestant computes: a run's job may have more than a contest of ``harness speed`` offers.

    Attributes:
        dropout, label_smoothing: as in ``RunSpec``. Inputs are dropped before they are handed over, which is not timed.
    """

    dropout: Share = 0.0
    label_smoothing: Share = 0.0

    def job(self) -> Job:
        """The part of this spec that a backend may know."""
        return replace(super().job(), dropout=self.dropout, label_smoothing=self.label_smoothing)


def _steps(number: int) -> str:
    return f"{number} step{'s' * (number != 1)}"
