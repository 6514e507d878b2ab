"""Random batches for a job without a task: what speed is measured and conformance tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backends.dropout import kept
from backends.job import Array, Job
from tasks.base import Batch


def random_batches(
    job: Job, count: int, seed: int | Sequence[int], shortest: int | None = None, fewest_labels: int | None = None
) -> list[Batch]:
    """Batches of standard normal inputs (float64, padding included) and random targets; always the same ones.

    Args:
        job: gives the shapes, the loss and whether sequences differ in length.
        count: how many.
        seed: of the random stream.
        shortest: of a ``variable`` job; lengths are uniform from it to ``job.length``, and one sequence in
            each batch, at a random place, has the full length. By default half of that, rounded up.
        fewest_labels: of a CTC job, at least 1; by default every sequence has ``job.labels``.

    Raises:
        ValueError: the shortest sequence could not hold its labels.
    """
    shortest = (job.length + 1) // 2 if shortest is None else shortest
    rng = np.random.default_rng(seed)
    fewest_labels = job.labels if fewest_labels is None else fewest_labels
    return [_masked(job, rng, _batch(job, rng, shortest, fewest_labels)) for _ in range(count)]


def _masked(job: Job, rng: np.random.Generator, batch: Batch) -> Batch:
    """``batch`` with the masks that a job with dropout needs."""
    if not job.dropout:
        return batch
    shape = job.batch, job.length, job.model.layers - 1, job.model.features
    return replace(batch, masks=kept(shape, job.dropout, rng))


def _batch(job: Job, rng: np.random.Generator, shortest: int, fewest_labels: int) -> Batch:
    x = rng.standard_normal((job.batch, job.length, job.model.inputs))
    lengths = _lengths(job, rng, shortest) if job.variable else None
    if job.loss == "ctc":
        frames = np.full(job.batch, job.length) if lengths is None else lengths
        counts = rng.integers(fewest_labels, job.labels, job.batch, endpoint=True)
        return Batch(x, _labels(job, rng, frames, counts), lengths)
    places = (job.batch, job.length) if job.model.readout == "every" else (job.batch,)
    if job.loss == "mse":
        return Batch(x, rng.standard_normal((*places, job.model.outputs)), lengths)
    return Batch(x, rng.integers(0, job.model.outputs, places).astype(np.int32), lengths)


def _lengths(job: Job, rng: np.random.Generator, shortest: int) -> Array:
    lengths = rng.integers(shortest, job.length, job.batch, endpoint=True, dtype=np.int32)
    lengths[rng.integers(job.batch)] = job.length
    return lengths


def _labels(job: Job, rng: np.random.Generator, frames: Array, counts: Array) -> Array:
    """Labels (B, job.labels) of 1 … outputs-1, uniform, padded with -1.

    Two equal ones in a row need a blank between them: a sequence without room for such blanks gets no equal neighbours.
    """
    classes, y = job.model.outputs - 1, np.full((job.batch, job.labels), -1, np.int32)
    for row, room, n in zip(y, frames, counts, strict=True):
        repeats = room >= 2 * n - 1
        if n > room or (classes == 1 and not repeats):
            raise ValueError(f"{n} labels of {classes} classes do not fit into {room} steps")
        steps = np.append(rng.integers(0, classes, 1), rng.integers(0 if repeats else 1, classes, max(n - 1, 0)))[:n]
        row[:n] = 1 + steps.cumsum() % classes
    return y
