"""A batch in parts, one for each of a job's threads: each computes the gradients of its part, and they are added up.

Most steps of a recurrence are too small to be shared out among threads; the batch is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backends.job import Job
from tasks.base import Batch


@dataclass(frozen=True)
class Share:
    """A part of a batch; its mean loss counts ``weight`` in the batch's, and so do its gradients."""

    batch: Batch
    weight: float


def rows(job: Job) -> list[slice]:
    """Which sequences each part has: as many parts as there are threads, or sequences, sizes as equal as can be."""
    count = min(job.threads, job.batch)
    return [slice(*ends) for ends in pairwise(job.batch * k // count for k in range(count + 1))]


def shares(job: Job, batch: Batch, parts: list[slice]) -> list[Share]:
    """``batch`` cut into ``parts``. A loss read out by step is a mean over all positions within their sequences."""
    by_step = job.model.readout == "every" and job.loss != "ctc"
    counts = batch.lengths if by_step and batch.lengths is not None else np.ones(len(batch))
    return [
        Share(
            Batch(batch.x[part], batch.y[part], None if batch.lengths is None else batch.lengths[part]),
            float(counts[part].sum() / counts.sum()),
        )
        for part in parts
    ]


def why_not(job: Job) -> str | None:
    """Why there are no parts."""
    if min(job.batch, job.threads) < 2:
        return "a thread for each part of a batch needs two sequences and two threads, at least"
    return None
