"""Compares each variant of a backend with the float64 reference, on the same parameters and batches."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import tasks
from backends import parameters as canonical
from backends import reference
from backends.base import Backend, Unsupported
from backends.job import Job, Parameters, Precision
from harness.protocol import Compared, Parity
from harness.specs.run import RunSpec
from harness.worker import preparation
from harness.worker.clocks import Clocks
from harness.worker.data import Data
from harness.worker.gate import TOLERANCE, descent_distances, distances
from harness.worker.preparation import Emit
from tasks.base import Batch


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
    """Train the reference. ``batches``: at least ``updates``; further ones are for the curve alone."""
    loss, gradients = reference.loss_and_gradients(job, start, batches[0])
    losses, parameters = reference.train(job, start, batches[:updates])
    curve = losses if len(batches) == updates else reference.train(job, start, batches)[0]
    return Expected(updates, batches, loss, gradients, parameters, curve)


def compare(question: Parity, emit: Emit) -> None:
    """Compare every variant that the question's spec asks for with the reference; emits an event for each.

    Raises:
        Unsupported: the backend is not installed.
        RunFailed: the task's data is not finite.
    """
    spec = RunSpec.model_validate(question.spec)
    backend = preparation.load(spec.backend, Clocks(lambda: 0.0))
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    updates = question.updates
    job = replace(spec.job(task), chunk=updates)
    start = canonical.initial(job.model, spec.initialisation_spec(), spec.seed)
    many = updates * max(1, -(-question.drift // updates))  # drift, rounded up to whole chunks
    data = Data(task, "float64", spec.dropping(task))
    expected = expect(job, start, [data.draw(index, spec.batch) for index in range(many)], updates)
    for precision in _precisions(backend, job, question.precisions):
        for variant in backend.variants(job.model, job.device):
            every = spec.variant in ("auto", "all") and job.device in variant.devices
            if every or spec.variant == variant.name:
                emit(_one(backend, replace(job, variant=variant.name, precision=precision), start, expected))


def _precisions(backend: Backend, job: Job, asked: Sequence[str]) -> Sequence[Precision]:
    return backend.precisions(job.device) if "all" in asked else cast("Sequence[Precision]", asked)


def _one(backend: Backend, job: Job, start: Parameters, expected: Expected) -> Compared:
    found: dict[str, Any] = {
        "variant": job.variant, "precision": job.precision, "tolerance": TOLERANCE[job.precision]
    }  # fmt: skip
    try:
        job, _ = backend.resolve(job)
        backend.start(job)
        found["distances"] = dict(_distances(backend, job, start, expected))
        found["curve"] = _curve(backend, job, start, expected) if job.precision == "float32" else []
        return Compared(**found, expected_curve=list(map(float, expected.curve)))
    except Unsupported as error:
        return Compared(**found, unavailable=str(error))
    except Exception as error:
        traceback.print_exc()
        return Compared(**found, failed=f"{type(error).__name__}: {error}".split("\n")[0][:300])


def _distances(backend: Backend, job: Job, start: Parameters, expected: Expected) -> Iterator[tuple[str, float]]:
    """Relative distances by quantity, in the order in which they are computed: an early one explains those after it."""
    yield from descent_distances(backend, job, start, expected.batches[0], (expected.loss, expected.gradients))
    trainer = backend.trainer(job, start)
    first = [batch.astype(job.dtype) for batch in expected.batches[: expected.updates]]
    trainer.train(trainer.stage(first))
    for name, apart in distances(trainer.parameters(), expected.parameters).items():
        yield f"parameter {name} after {expected.updates} updates", apart


def _curve(backend: Backend, job: Job, start: Parameters, expected: Expected) -> list[float]:
    """The losses before each update, over as many batches as the reference saw."""
    trainer = backend.trainer(job, start)
    losses: list[float] = []
    for first in range(0, len(expected.batches), expected.updates):
        chunk = expected.batches[first : first + expected.updates]
        losses += map(float, trainer.train(trainer.stage([batch.astype(job.dtype) for batch in chunk])))
    return losses
