"""Several updates in one compiled program: a loop of training steps around the loop over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from backends.job import Array, chunks
from backends.tensorflow.optimizer import Rates
from backends.tensorflow.trainer import TensorflowTrainer
from tasks.base import Batch

Chunk = tuple[Any, ...]
"""The number of updates, then what is staged of ``job.chunk`` batches, stacked. The stack always has that size, the
last batch repeated if need be, so that one compiled program serves any number of updates."""


class TensorflowChunkTrainer(TensorflowTrainer):
    """Up to ``job.chunk`` updates per dispatch."""

    @cached_property
    def step(self) -> Any:
        """Up to ``job.chunk`` updates: maps a ``Chunk`` to the losses before each of them."""
        stacked = [
            tf.TensorSpec((self.job.chunk, *spec.shape), spec.dtype) for spec in self._batch_specs(self.job.batch)
        ]
        return self._compiled(self._chunk, tf.TensorSpec((), "int32"), *stacked)

    def stage(self, batches: Sequence[Batch]) -> list[Chunk]:
        """Stacked on the device."""
        staged = [self._stacked(count, padded) for count, padded in chunks(batches, self.job.chunk)]
        self._synchronize()
        return staged

    def _stacked(self, count: int, batches: list[Batch]) -> Chunk:
        arrays = zip(*super().stage(batches), strict=True)
        with tf.device(self.device):
            return tf.constant(count), *(tf.stack(values) for values in arrays)

    def train(self, staged: list[Chunk]) -> Array:
        """One call of ``step`` per chunk."""
        with tf.device(self.device):
            losses = [self.step(*chunk) for chunk in self._rated(staged)]
        self._synchronize()
        counts = [int(chunk[0]) for chunk in staged]
        return np.concatenate([values.numpy()[:count] for values, count in zip(losses, counts, strict=True)])

    def _with_rates(self, staged: Sequence[Chunk], rates: Rates) -> Iterator[Chunk]:
        for chunk in staged:
            rates.put(self.job.optimizer.rates(self.updates, self.job.chunk))
            yield chunk
            self.updates += int(chunk[0])

    def _chunk(self, count: tf.Tensor, *stacked: tf.Tensor) -> tf.Tensor:
        def update(k: tf.Tensor, losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            loss = self._step(*(tf.gather(stack, k) for stack in stacked))
            return k + 1, tf.where(tf.range(self.job.chunk) == k, loss, losses)

        start = tf.constant(0), tf.zeros(self.job.chunk, self.job.dtype)
        return tf.while_loop(lambda k, _: k < count, update, start, maximum_iterations=self.job.chunk)[1]
