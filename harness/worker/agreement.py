"""In a worker: each variant of a backend against the float64 reference, on the same parameters and batches."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import tasks
from backends import parameters as canonical
from backends import reference
from backends.base import Backend, Unsupported
from backends.job import Job, OptimizerSpec, Parameters, Precision
from harness.specs.run import RunSpec
from harness.worker import preparation as prepare
from harness.worker.clocks import Clocks
from harness.worker.gate import TOLERANCE, distances, loss_distances
from tasks.base import Batch

Emit = Callable[[Mapping[str, Any]], None]
#: One step of plain descent at this rate, and the change of the parameters is the gradient: rounding drowns in it.
RATE = 1e4


@dataclass(frozen=True)
class Expected:
    """What the reference computes of the batches, in float64.

    Attributes:
        loss, gradients: of the first batch, before clipping.
        losses: before each update, of the first ``updates``.
        parameters: after ``updates`` updates.
        curve: losses before each update, of all.
    """

    updates: int
    batches: list[Batch]
    loss: float
    gradients: Parameters
    parameters: Parameters
    curve: list[float]


def expect(job: Job, start: Parameters, batches: list[Batch], updates: int) -> Expected:
    """Train the reference. ``batches``: at least ``updates``; those beyond are for the curve alone."""
    loss, gradients = reference.loss_and_gradients(job, start, batches[0])
    losses, parameters = reference.train(job, start, batches[:updates])
    curve = losses if len(batches) == updates else reference.train(job, start, batches)[0]
    return Expected(updates, batches, loss, gradients, parameters, curve)


def look(fields: Mapping[str, Any], updates: int, drift: int, precisions: Sequence[str], emit: Emit) -> dict[str, Any]:
    """Hold every variant that the spec asks for (``auto``: all) against the reference; an event for each.

    Args:
        fields: of the run spec.
        updates: after which parameters are compared.
        precisions: those looked at, or ``all`` for those that the backend has on the device.
        drift: updates over which the float32 losses are followed, rounded up to whole ``updates``.
    """
    spec = RunSpec.model_validate(fields)
    backend = prepare.load(spec.backend, Clocks(lambda: 0.0))
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job = replace(spec.job(task), chunk=updates)
    start = canonical.initial(job.model, spec.initialisation_spec(), spec.seed)
    many = updates * max(1, -(-drift // updates))
    expected = expect(job, start, [task.batch("train", index, spec.batch) for index in range(many)], updates)
    for precision in backend.precisions(job.device) if "all" in precisions else cast("Sequence[Precision]", precisions):
        for variant in backend.variants(job.model, job.device):
            every = spec.variant in ("auto", "all") and job.device in variant.devices
            if every or spec.variant == variant.name:
                this = replace(job, variant=variant.name, precision=precision)
                about = {"variant": variant.name, "precision": precision, "tolerance": TOLERANCE[precision]}
                emit({"agreement": about | _one(backend, this, start, expected)})
    return {"end": "ok"}


def _one(backend: Backend, job: Job, start: Parameters, expected: Expected) -> dict[str, Any]:
    try:
        job, _ = backend.resolve(job)
        backend.start(job)
        return {
            "distances": dict(_distances(backend, job, start, expected)),
            "curve": _curve(backend, job, start, expected) if job.precision == "float32" else [],
            "expected_curve": expected.curve,
        }
    except Unsupported as error:
        return {"unavailable": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}".split("\n")[0][:300]}


def _distances(backend: Backend, job: Job, start: Parameters, expected: Expected) -> Iterator[tuple[str, float]]:
    """Relative distances in the order in which they are computed: an early one explains those after it."""
    descent = replace(job, optimizer=OptimizerSpec("sgd", RATE, clip=None), chunk=1)
    trainer = backend.trainer(descent, start)
    losses = trainer.train(trainer.stage([expected.batches[0].astype(job.dtype)]))
    yield "loss", loss_distances(losses, [expected.loss])[0]
    gradients = {name: (start[name] - after) / RATE for name, after in trainer.parameters().items()}
    for name, apart in distances(gradients, expected.gradients).items():
        yield f"gradient of {name}", apart
    trainer = backend.trainer(job, start)
    first = [batch.astype(job.dtype) for batch in expected.batches[: expected.updates]]
    trainer.train(trainer.stage(first))
    for name, apart in distances(trainer.parameters(), expected.parameters).items():
        yield f"parameter {name} after {expected.updates} updates", apart


def _curve(backend: Backend, job: Job, start: Parameters, expected: Expected) -> list[float]:
    """The losses before each update, of as many as the reference made."""
    trainer = backend.trainer(job, start)
    losses: list[float] = []
    for first in range(0, len(expected.batches), expected.updates):
        chunk = expected.batches[first : first + expected.updates]
        losses += map(float, trainer.train(trainer.stage([batch.astype(job.dtype) for batch in chunk])))
    return losses
