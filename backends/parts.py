"""Splits a batch into a part for each of a job's threads; each computes its gradients, which are then added up.

Most steps of a recurrence are too small to be divided among threads; the batch is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from backends.job import Job, checked_lengths
from tasks.base import Batch


@dataclass(frozen=True)
class Share:
    """A part of a batch; ``weight`` is its share of the batch's mean loss and gradients."""

    batch: Batch
    weight: float


def rows(job: Job) -> list[slice]:
    """The sequences of each part: one part per thread (at most one per sequence), of nearly equal size."""
    count = min(job.threads, job.batch)
    return [slice(*ends) for ends in pairwise(job.batch * k // count for k in range(count + 1))]


def shares(job: Job, batch: Batch, parts: list[slice]) -> list[Share]:
    """``batch`` cut into ``parts``, weighted as its mean loss is: over positions within the sequences, or sequences.

    Raises:
        ValueError: lengths that the job does not have; see ``checked_lengths``.
    """
    batch = replace(batch, lengths=checked_lengths(job, batch.lengths))
    by_step = job.model.readout == "every" and job.loss != "ctc"
    counts = batch.lengths if by_step and batch.lengths is not None else np.ones(len(batch))
    return [Share(_rows(batch, part), float(counts[part].sum() / counts.sum())) for part in parts]


def _rows(batch: Batch, part: slice) -> Batch:
    lengths, masks = (None if each is None else each[part] for each in (batch.lengths, batch.masks))
    return Batch(batch.x[part], batch.y[part], lengths, masks)


def why_not(job: Job) -> str | None:
    """Why ``job`` cannot be split into parts, or None where it can."""
    if min(job.batch, job.threads) < 2:
        return "a thread for each part of a batch needs two sequences and two threads, at least"
    return None
