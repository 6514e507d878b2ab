"""The spec of one contestant in a speed contest: a shape without a task."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, model_validator

from backends.job import Device, Job, Precision
from harness.specs.base import Count, Denormals, Frozen, Model, Name, Optimizer, Positive, job_of
from tasks.base import Loss, Readout, Scalar

#: By field, a value and what stands in its place.
Changes = dict[str, tuple[Scalar | None, Scalar | None]]


class SpeedSpec(Frozen):
    """Everything that decides one contestant of a speed contest: a shape without a task.

    Attributes:
        backend, variant, device, precision, threads, denormals, deterministic: as in ``RunSpec``.
        model, optimizer: what is trained, by which rule; initial parameters are drawn as a run's.
        batch, length, features: the input's shape, (batch, length, features) per update.
        shortest: length of the shortest sequence where lengths vary; None where all have ``length``.
        outputs, loss, readout: of the readout; targets are random as the inputs are.
        labels: of each sequence, for ``ctc``; 0 for other losses.
        chunk: most updates that are handed over at once; a fused variant compiles for it.
        seed: of the data and of the initial parameters.
    """

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
    chunk: Positive = 8
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @model_validator(mode="after")
    def _possible(self) -> SpeedSpec:
        if problem := self._impossible():
            raise ValueError(problem)
        return self

    def _impossible(self) -> str | None:
        """What cannot be: sequences or labels that do not fit, or a CTC loss without what it needs."""
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
        # of one class, any two labels have a blank between them
        most, of_one_class = ((room + 1) // 2, " of one class") if self.outputs == 2 else (room, "")
        if self.labels > most:
            where = _steps(room) if self.shortest is None else f"the {_steps(room)} of the shortest sequence"
            return f"labels: {self.labels}{of_one_class} do not fit into {where}: at most {most}"
        return None

    def shortened(self, length: int) -> SpeedSpec:
        """The same at ``length`` steps, should it have more; shortest length and labels follow in proportion."""
        if self.length <= length:
            return self
        followers = {name: n for name, n in (("shortest", self.shortest), ("labels", self.labels)) if n}
        scaled = {name: in_proportion(n, length, self.length) for name, n in followers.items()}
        return self.model_copy(update={"length": length, **scaled})

    def job(self) -> Job:
        """The part of this spec that a backend may know."""
        job = job_of(self, self.features, self.outputs, self.readout, self.loss, self.length, self.labels)
        return replace(job, variable=self.shortest is not None)

    def shape(self) -> dict[str, Any]:
        """What all contestants of one contest share: everything but who computes it, and on what."""
        return self.model_dump(mode="json", exclude={"backend", "variant", "device"})


def in_proportion(number: int, length: int, named_length: int) -> int:
    """What ``number`` steps or labels of ``named_length`` steps become at ``length`` steps: at least one."""
    return max(1, number * length // named_length)


def _steps(number: int) -> str:
    return f"{number} step{'s' * (number != 1)}"
