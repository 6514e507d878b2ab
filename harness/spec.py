"""The run spec: everything that decides one run, immutable, hashable, and nothing that does not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backends.job import Cell, Device, Job, ModelSpec, OptimizerName, OptimizerSpec, Precision
from backends.parameters import InitialisationSpec, Scheme
from tasks.base import Loss, Readout, Scalar, Task

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Denormals = Literal["flush", "keep"]
#: By field, a value and what stands in its place.
Changes = dict[str, tuple[Scalar | None, Scalar | None]]
ScoreAt = Literal["final", "best-validation"]


class Frozen(BaseModel):
    """A closed, immutable model: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Model(Frozen):
    """The part of the model that the task leaves open."""

    cell: Cell = "lstm"
    hidden: Positive
    layers: Positive = 1
    bidirectional: bool = False


class Initialisation(Frozen):
    """See ``backends.parameters.InitialisationSpec``."""

    recurrent: Scheme = "orthogonal"
    input: Scheme = "glorot"
    forget_bias: float = 1.0
    chrono: Annotated[int, Field(ge=3)] | None = None


class Optimizer(Frozen):
    """See ``backends.job.OptimizerSpec``."""

    name: OptimizerName = "adam"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0)] = 1e-8


class RunSpec(Frozen):
    """Everything that decides one run.

    Attributes:
        task, preset, parameters: what is learned; ``parameters`` is complete, defaults included.
        seed: of the training data and of the initial parameters.
        backend, variant, device, precision: how it is computed.
        model, initialisation, optimizer: what is trained, from where, by which rule.
        batch, steps: sequences per update, and updates.
        chunk: updates per timed block, which ends in a synchronisation.
        evaluate_every: updates between two evaluations on the validation split.
        threads: of the framework, and the number of CPUs that the worker may use.
        denormals: whether the CPU flushes denormal numbers to zero, in every thread.
        deterministic: ask the framework for deterministic kernels.
        score_at: which parameters the reported test scores belong to, decided before the run.
    """

    task: Name
    preset: Name
    parameters: dict[str, Scalar]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    backend: Name
    variant: Name = "auto"
    device: Device = "cpu"
    precision: Precision = "float32"
    model: Model
    initialisation: Initialisation = Initialisation()
    optimizer: Optimizer = Optimizer()
    batch: Positive
    steps: Positive
    chunk: Positive
    evaluate_every: Positive
    threads: Positive
    denormals: Denormals = "flush"
    deterministic: bool = True
    score_at: ScoreAt = "final"

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """A fingerprint of the spec: equal for equal specs, on every machine."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def job(self, task: Task) -> Job:
        """The part of this spec that a backend may know."""
        return _job(self, task.inputs, task.outputs, task.readout, task.loss, task.steps_in)

    def initialisation_spec(self) -> InitialisationSpec:
        """The initialisation in the backends' words."""
        return InitialisationSpec(**self.initialisation.model_dump())


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
        job = _job(self, self.features, self.outputs, self.readout, self.loss, self.length, self.labels)
        return replace(job, variable=self.shortest is not None)

    def shape(self) -> dict[str, Any]:
        """What all contestants of one contest share: everything but who computes it, and on what."""
        return self.model_dump(mode="json", exclude={"backend", "variant", "device"})


def in_proportion(number: int, length: int, named_length: int) -> int:
    """What ``number`` steps or labels of ``named_length`` steps become at ``length`` steps: at least one."""
    return max(1, number * length // named_length)


def _steps(number: int) -> str:
    return f"{number} step{'s' * (number != 1)}"


def _job(
    spec: RunSpec | SpeedSpec, inputs: int, outputs: int, readout: Readout, loss: Loss, length: int, labels: int = 0
) -> Job:
    return Job(
        model=ModelSpec(inputs=inputs, outputs=outputs, readout=readout, **spec.model.model_dump()),
        loss=loss,
        optimizer=OptimizerSpec(**spec.optimizer.model_dump()),
        batch=spec.batch,
        length=length,
        labels=labels,
        device=spec.device,
        variant=spec.variant,
        precision=spec.precision,
        threads=spec.threads,
        deterministic=spec.deterministic,
        chunk=spec.chunk,
    )


def one_line(error: ValidationError) -> str:
    """The first complaint of a validation error, in one line."""
    first = error.errors()[0]
    if not first["loc"]:  # of the whole: it names what it is about
        return str(first.get("ctx", {}).get("error", first["msg"]))[:300]
    where = ".".join(str(part) for part in first["loc"]) or "value"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{where}: {message}, not {first['input']!r}"[:300]
