"""Several updates in one compiled program: a loop of training steps around the loop over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from backends.jax.cells import Tensor, Tensors
from backends.jax.optimizer import OptimizerState
from backends.jax.trainer import JaxTrainer
from backends.job import Array, chunks
from tasks.base import Batch

Chunk = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]
"""The number of updates, then x, y, lengths and masks of ``job.chunk`` batches, stacked. The stack always has that
size, the last batch repeated if need be, so that one compiled program serves any number of updates."""
Counted = tuple[int, Chunk]
"""The number of updates once more, where the host has it without asking the device."""


class JaxChunkTrainer(JaxTrainer):
    """Up to ``job.chunk`` updates per dispatch."""

    def stage(self, batches: Sequence[Batch]) -> list[Counted]:  # type: ignore[override]
        """Stacked on the device."""
        staged = [(count, self._stacked(count, padded)) for count, padded in chunks(batches, self.job.chunk)]
        jax.block_until_ready([chunk for _, chunk in staged])
        return staged

    def train(self, staged: list[Counted]) -> Array:  # type: ignore[override]
        """One call of the compiled loop per chunk."""
        losses = []
        for counted in self._rated(staged):
            self.tensors, self.state, values = self._program(counted)(self.tensors, self.state, *counted[1])
            losses.append(values)
        jax.block_until_ready((self.tensors, self.state))
        # cut on the host: cutting on the device would compile one more program per count, unnoticed
        return np.concatenate([v[:count] for v, (count, _) in zip(jax.device_get(losses), staged, strict=True)])

    def _with_rates(self, staged: Sequence[Counted]) -> Iterator[Counted]:
        for counted in staged:
            self._put_rates()
            yield counted
            self.updates += counted[0]

    def _program(self, counted: Counted) -> Any:  # type: ignore[override]
        _, chunk = counted
        return self._compiled(("chunk", chunk[1].shape), self._chunk, (self.tensors, self.state, *chunk), donate=(0, 1))

    def _stacked(self, count: int, batches: list[Batch]) -> Chunk:
        xs, ys, *others = zip(*super().stage(batches), strict=True)
        lengths, masks = (None if each[0] is None else jnp.stack(each) for each in others)
        return self._tensor(np.array(count, np.int32)), jnp.stack(xs), jnp.stack(ys), lengths, masks

    def _chunk(
        self,
        tensors: Tensors,
        state: OptimizerState,
        count: Tensor,
        xs: Tensor,
        ys: Tensor,
        lengths: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensors, OptimizerState, Tensor]:
        def update(
            k: Tensor, carried: tuple[Tensors, OptimizerState, Tensor]
        ) -> tuple[Tensors, OptimizerState, Tensor]:
            tensors, state, losses = carried
            arrays = jax.tree.map(
                lambda stack: lax.dynamic_index_in_dim(stack, k, keepdims=False), (xs, ys, lengths, masks)
            )
            tensors, state, loss = self._step(tensors, state, *arrays)
            return tensors, state, losses.at[k].set(loss)

        start = tensors, state, jnp.zeros(len(xs), self.job.dtype)
        done: tuple[Tensors, OptimizerState, Tensor] = lax.fori_loop(0, count, update, start)
        return done
