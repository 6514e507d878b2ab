"""The gate: before anything is timed, a few updates of a small batch are compared with the float64 reference."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from backends import reference
from backends.base import Backend
from backends.job import Array, Job, OptimizerSpec, Parameters, Precision
from harness.errors import Diverged, RunFailed
from harness.records.base import Gate
from tasks.base import Batch

#: Draws batch number ``index`` of ``size`` sequences.
Draw = Callable[[int, int], Batch]
STEPS = 3
#: Where the learning rate changes: a warm-up of two, and then some that show the schedule.
SCHEDULED_STEPS = 5
BATCH = 4
#: Largest relative distance allowed, by precision. A wrong gate order, sign or transposition is off by 1e-2 or more,
#: and by about 1 in the biases, which start at zero. In bfloat16 the biases are what is far off without any mistake:
#: Adam's first updates are the signs of the gradients, and small gradients lose theirs. At most 1.7e-1 was measured on
#: the CPU (plain RNN over 100 steps; LSTM and GRU 2e-2). TF32 keeps three bits more: an eighth of it, not measured.
TOLERANCE: dict[Precision, float] = {"float32": 1e-3, "float64": 1e-9, "tf32": 4e-2, "bfloat16": 3e-1}

#: Learning rate of the one SGD step from which the gradients are computed: so large that rounding adds nothing visible
#: to the change of the parameters.
RATE = 1e4
#: Where the fault is likely to be, by the kind of quantity that is the first to be apart.
LOOK_AT = {
    "loss": "the forward pass, the loss, the order of gates and the layout of parameters",
    "gradient": "the backward pass, or the optimizer's rate where all gradients are apart alike",
    "parameter": "the optimizer: clipping, rate, epsilon and what it keeps between updates",
}


def distances(ours: Parameters, expected: Parameters) -> dict[str, float]:
    """‖ours − expected‖ / max(‖expected‖, 1e-6) of each array."""
    return {
        name: finite(float(np.linalg.norm(ours[name] - p) / np.maximum(np.linalg.norm(p), 1e-6)))
        for name, p in expected.items()
    }


def loss_distances(losses: Array, expected: Sequence[float]) -> list[float]:
    """|loss − expected| / max(|expected|, 1e-6) of each update."""
    apart = np.abs(losses - np.asarray(expected)) / np.maximum(np.abs(expected), 1e-6)
    return [finite(float(each)) for each in apart]


def pass_gate(backend: Backend, job: Job, draw: Draw, parameters: Parameters, shortened_to: int | None = None) -> Gate:
    """Train a few small batches with the backend and with the reference, and measure how far apart they end.

    Args:
        job: what the backend is to compute, at a batch size of 4 at most.
        draw: the batches.
        parameters: from which both start.
        shortened_to: the length of ``job``'s sequences where the measured job has longer ones, for the result.

    Raises:
        Diverged: the reference itself has no finite numbers after these few updates, so the backend is not to blame.
    """
    small = small_job(job)
    batches = _batches(small, draw)
    trainer = backend.trainer(small, parameters)
    losses = trainer.train(trainer.stage([b.astype(job.dtype) for b in batches]))
    expected, expected_parameters = reference.train(small, parameters, batches)
    computed: list[Array] = [np.array(expected), *expected_parameters.values()]
    if not all(np.isfinite(each).all() for each in computed):
        raise Diverged(
            f"training diverges within {len(batches)} updates, in the float64 reference too: it needs a smaller "
            "--lr or --weight-decay, or --clip"
        )
    loss_distance = max(loss_distances(losses, expected))
    parameter_distance = max(distances(trainer.parameters(), expected_parameters).values())
    tolerance = TOLERANCE[job.precision]
    return Gate(
        steps=len(batches),
        batch=small.batch,
        length=shortened_to,
        loss_distance=loss_distance,
        parameter_distance=parameter_distance,
        tolerance=tolerance,
        passed=max(loss_distance, parameter_distance) <= tolerance,
    )


def check_prediction(backend: Backend, job: Job, draw: Draw, parameters: Parameters) -> None:
    """Compare the outputs for a small batch with the reference's, where predictions are timed.

    Raises:
        RunFailed: they are further apart than the tolerance of the gate.
    """
    small = small_job(job)
    batch = draw(0, small.batch)
    given = batch.astype(job.dtype)
    found = backend.trainer(small, parameters).predict(given.x, given.lengths)
    expected = reference.forward(small.model, parameters, batch.x, batch.lengths).outputs
    if batch.lengths is not None and small.model.readout == "every":
        inside = np.arange(small.length) < batch.lengths[:, None]
        found, expected = found[inside], expected[inside]
    distance = distances({"outputs": found}, {"outputs": expected})["outputs"]
    if distance > (tolerance := TOLERANCE[job.precision]):
        raise RunFailed(f"gate: predictions are {distance:.2g} apart from the reference, more than {tolerance:g}")


def small_job(job: Job) -> Job:
    """``job`` with few sequences; a rate that changes over its whole training does so within the gate's few updates.

    Else a backend that knows nothing of schedules would pass: the first few updates of a cosine have one rate.
    """
    rule = job.optimizer
    hastened = replace(
        rule, warmup=min(rule.warmup, 2), decay_every=rule.decay_every and 1, updates=rule.updates and SCHEDULED_STEPS
    )
    # of micro-batches at least two sequences, which parts need
    micro = min(job.micro.batch, BATCH if job.accumulate == 1 else max(2, BATCH // job.accumulate))
    return replace(job.resized(micro * job.accumulate), optimizer=hastened)


def _batches(small: Job, draw: Draw) -> list[Batch]:
    return [draw(index, small.batch) for index in range(SCHEDULED_STEPS if small.optimizer.scheduled else STEPS)]


def descent_distances(
    backend: Backend, job: Job, start: Parameters, batch: Batch, expected: tuple[float, Parameters]
) -> Iterator[tuple[str, float]]:
    """Relative distances of a batch's loss and of its gradients before clipping, by name.

    Args:
        expected: loss and gradients of the reference.
    """
    descent = replace(job, optimizer=OptimizerSpec("sgd", RATE, clip=None), chunk=1)
    trainer = backend.trainer(descent, start)
    losses = trainer.train(trainer.stage([batch.astype(job.dtype)]))
    yield "loss", loss_distances(losses, expected[:1])[0]
    gradients = {name: (start[name] - after) / RATE for name, after in trainer.parameters().items()}
    for name, apart in distances(gradients, expected[1]).items():
        yield f"gradient of {name}", apart


def first_apart(backend: Backend, job: Job, draw: Draw, parameters: Parameters) -> str:
    """Of a job that did not pass: the first quantity that is too far from the reference, and what to look at.

    The arguments are those of ``pass_gate``. Takes several compilations, so it is for failures alone.
    """
    small = small_job(job)
    batches = _batches(small, draw)
    for name, apart in _quantities(backend, small, parameters, batches):
        if not apart <= TOLERANCE[job.precision]:
            return f"first apart is the {name}, by {apart:.1e}: look at {LOOK_AT[name.split()[0]]}"
    return "update by update nothing is apart: look at how several updates are done in one call"


def _quantities(backend: Backend, job: Job, start: Parameters, batches: list[Batch]) -> Iterator[tuple[str, float]]:
    """Relative distances by quantity, in the order in which training computes them."""
    expected = reference.loss_and_gradients(job, start, batches[0])
    for name, apart in descent_distances(backend, job, start, batches[0], expected):
        yield f"{name} {'before' if name == 'loss' else 'at'} update 1", apart
    for update in range(1, len(batches) + 1):
        trainer = backend.trainer(replace(job, chunk=update), start)
        losses = trainer.train(trainer.stage([batch.astype(job.dtype) for batch in batches[:update]]))
        expected_losses, parameters = reference.train(job, start, batches[:update])
        yield f"loss before update {update}", loss_distances(losses, expected_losses)[-1]
        for name, apart in distances(trainer.parameters(), parameters).items():
            yield f"parameter {name} after update {update}", apart


def finite(value: float) -> float:
    """The value; the largest number there is in place of infinity and nan, which JSON does not have."""
    return value if math.isfinite(value) else sys.float_info.max
