"""What the specs of runs and of speed contests share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from backends.job import AnyCell, Device, Job, ModelSpec, OptimizerName, OptimizerSpec, Precision, Schedule
from backends.own import OWN
from backends.parameters import WHOLE, Scheme
from tasks.base import Loss, Readout, Scalar

#: The largest whole number: data files, and most who read JSON, have 64 bits for one.
INT64: Final = 2**63 - 1
Count = Annotated[int, Field(ge=0, le=INT64)]
Positive = Annotated[int, Field(ge=1, le=INT64)]
#: From nothing to less than all.
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
Denormals = Literal["flush", "keep"]


def _within_64_bits(value: Scalar) -> Scalar:
    if isinstance(value, int) and not -INT64 <= value <= INT64:
        raise ValueError(f"a whole number has at most 64 bits, from {-INT64} to {INT64}")
    return value


Parameter = Annotated[Scalar, AfterValidator(_within_64_bits)]
#: A SHA-256 in hexadecimal.
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: A file of Python without its folder, and a name in it; without one, the file itself is meant.
SOURCE: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.py(:[A-Za-z_][A-Za-z0-9_]*)?$"
Source = Annotated[str, Field(pattern=SOURCE, max_length=200)]


class Frozen(BaseModel):
    """A closed, immutable model: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
    #: Fields that are younger than the first specs: a digest leaves them out where they have their defaults, so that a
    #: spec keeps the digest that it had before it could say more.
    younger: ClassVar[frozenset[str]] = frozenset()

    def unsaid(self) -> dict[str, Any]:
        """What a digest leaves out, as pydantic's ``exclude`` takes it: younger fields at their defaults."""
        found: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in self.younger and value == field.get_default(call_default_factory=True):
                found[name] = True
            elif isinstance(value, Frozen) and (inner := value.unsaid()):
                found[name] = inner
        return found

    def json_line(self) -> str:
        """The document as a line of JSON in ASCII, which no terminal and no encoding changes."""
        return json.dumps(self.model_dump(mode="json"))


class Model(Frozen):
    """The part of the model that the task leaves open.

    Attributes:
        cell: ``own`` for a model of a user's own, which gets as much of the sizes as it asks for.
        source: its file's name, and its own in that file, as in my_model.py:Name; sha256: of the file.
    """

    younger: ClassVar = frozenset({"source", "sha256"})

    cell: AnyCell = "lstm"
    hidden: Positive
    layers: Positive = 1
    bidirectional: bool = False
    source: Source | None = None
    sha256: Digest | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({self.cell == OWN, self.source is not None, self.sha256 is not None}) > 1:
            raise ValueError("cell: own comes with source and sha256, and they with it")
        return self

    @property
    def name(self) -> str:
        """The cell's; a user's own model is ``own:`` and what its file calls it, so that each table marks it."""
        return f"{OWN}:{self.source.rpartition(':')[2]}" if self.source else self.cell


class Initialisation(Frozen):
    """See ``backends.parameters.InitialisationSpec``."""

    recurrent: Scheme = "orthogonal"
    input: Scheme = "glorot"
    forget_bias: float = 1.0
    chrono: Annotated[int, Field(ge=3, le=INT64)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for start in WHOLE:
            if start in (self.recurrent, self.input) and self.recurrent != self.input:
                raise ValueError(f"{start} is the start of all weights: of the recurrent and of the others, or of none")
        if self.recurrent in WHOLE and self.chrono:
            raise ValueError(f"{self.recurrent} is a whole start, biases included; chrono replaces biases")
        return self


class Optimizer(Frozen):
    """See ``backends.job.OptimizerSpec``."""

    younger: ClassVar = frozenset({"weight_decay", "clip_value", "schedule", "warmup", "decay_every", "decay_by"})

    name: OptimizerName = "adam"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.99
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_value: Annotated[float, Field(gt=0)] | None = None
    schedule: Schedule = "constant"
    warmup: Count = 0
    decay_every: Positive | None = None
    decay_by: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        OptimizerSpec(**self.model_dump())
        return self


class Computation(Protocol):
    """What every spec fixes of a job; the data fixes the rest."""

    model: Model
    optimizer: Optimizer
    batch: int
    accumulate: int
    device: Device
    variant: str
    precision: Precision
    threads: int
    deterministic: bool
    chunk: int


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """What the data fixes of a job, be it a task's or the random data of a speed contest.

    Attributes:
        inputs, outputs: numbers per time step, and numbers or classes that are read out.
        length: time steps of the longest sequence.
        labels: of each sequence, for the loss ``ctc``.
        variable: whether sequences differ in length.
    """

    inputs: int
    outputs: int
    readout: Readout
    loss: Loss
    length: int
    labels: int = 0
    variable: bool = False


def job_of(spec: Computation, data: DataShape, updates: int | None = None) -> Job:
    """The job that a backend gets: a spec's computation on data of this shape.

    Args:
        updates: how many there will be, for a learning rate that depends on it; None where no last one is known.
    """
    last = updates if spec.optimizer.schedule == "cosine" else None
    model = spec.model.model_dump(exclude={"source", "sha256"})
    return Job(
        model=ModelSpec(inputs=data.inputs, outputs=data.outputs, readout=data.readout, **model),
        loss=data.loss,
        optimizer=OptimizerSpec(**spec.optimizer.model_dump(), updates=last),
        batch=spec.batch,
        accumulate=spec.accumulate,
        length=data.length,
        labels=data.labels,
        variable=data.variable,
        device=spec.device,
        variant=spec.variant,
        precision=spec.precision,
        threads=spec.threads,
        deterministic=spec.deterministic,
        chunk=spec.chunk,
    )


def check_accumulate(batch: int, accumulate: int) -> None:
    """Raises ValueError for a batch that cannot be cut into as many micro-batches of one size."""
    if batch % accumulate:
        raise ValueError(f"accumulate: a divisor of the batch of {batch:,}, not {accumulate:,}")


class StudyMark(Frozen):
    """The study that a run belongs to, as its file was when the run was started."""

    name: Name
    sha256: Annotated[Digest, Field(description="of the study file")]


def one_line(error: ValidationError) -> str:
    """The first complaint of a validation error, in one line."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    context = first.get("ctx", {})
    if "error" in context:  # of a model as a whole, whose message names the field; or of a value
        return f"{where}: {context['error']}".removeprefix(": ")[:300]
    message = first["msg"][0].lower() + first["msg"][1:]
    for bound in context.values():
        if isinstance(bound, float):  # written with a hundred zeros else
            message = f"{message.rpartition(' ')[0]} {bound:g}"
    return f"{where or 'value'}: {message}, not {first['input']!r}"[:300]
