"""Gradient accumulation: a batch computed as several smaller ones, whose gradients are averaged for one update.

Only one of them is on its way at a time, so that activations take the memory of one. The gradients are the mean of the
micro-batches' own: where sequences have as many positions as each other, that is the gradient of the whole batch; where
lengths differ and every step is read, a micro-batch with fewer positions counts as much as one with more, as it does
for those who accumulate by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backends.base import DeviceMemory, Trainer
from backends.job import Array, Job, Parameters, micro_batches
from tasks.base import Batch


class Accumulating(Trainer):
    """A trainer of whole batches on one that is built for their micro-batches."""

    def __init__(self, job: Job, trainer: Trainer) -> None:
        """Take over ``trainer``, which has computed nothing yet.

        Args:
            job: the whole one; ``trainer`` is for ``job.micro``.
        """
        self.job, self.trainer = job, trainer
        trainer.accumulating = True

    def stage(self, batches: Sequence[Batch]) -> list[Any]:
        """As ``Trainer.stage``, each batch as its micro-batches."""
        return [self.trainer.stage(micro_batches(self.job, batch)) for batch in batches]

    def train(self, staged: list[Any]) -> Array:
        """As ``Trainer.train``."""
        return self.trainer.train_accumulated(staged)

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> list[Any]:
        """As ``Trainer.stage_inputs``, for each micro-batch."""
        micro = self.job.micro.batch
        rows = [slice(start, start + micro) for start in range(0, self.job.batch, micro)]
        own = [None if lengths is None else lengths[each] for each in rows]
        return [self.trainer.stage_inputs(x[each], n) for each, n in zip(rows, own, strict=True)]

    def predict_staged(self, staged: list[Any]) -> list[Array]:
        """As ``Trainer.predict_staged``, of one micro-batch after the other.

        Each is fetched before the next may overwrite it.
        """
        return [self.trainer.fetch(self.trainer.predict_staged(each)) for each in staged]

    def fetch(self, outputs: list[Array]) -> Array:
        """As ``Trainer.fetch``, of the micro-batches together."""
        return np.concatenate(outputs)

    def parameters(self) -> Parameters:
        """As ``Trainer.parameters``."""
        return self.trainer.parameters()

    def executed(self, batch: Batch) -> str:
        """As ``Trainer.executed``, of a micro-batch."""
        return self.trainer.executed(micro_batches(self.job, batch)[0])

    def compilations(self) -> int:
        """As ``Trainer.compilations``."""
        return self.trainer.compilations()

    def memory(self) -> DeviceMemory:
        """As ``Trainer.memory``."""
        return self.trainer.memory()

    def device_seconds(self) -> float | None:
        """As ``Trainer.device_seconds``."""
        return self.trainer.device_seconds()
