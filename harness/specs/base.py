"""What run and speed specs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backends.job import Cell, Job, ModelSpec, OptimizerName, OptimizerSpec
from backends.parameters import Scheme
from tasks.base import Loss, Readout

if TYPE_CHECKING:
    from harness.specs.run import RunSpec
    from harness.specs.speed import SpeedSpec

Count = Annotated[int, Field(ge=0)]


Positive = Annotated[int, Field(ge=1)]


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


Denormals = Literal["flush", "keep"]


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


def job_of(
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
