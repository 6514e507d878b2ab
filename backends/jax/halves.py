"""The batch in parts, each with a thread and a programme of its own.

XLA's CPU client runs the loops of one programme one after the other and gains nothing from sharing out what is in
them, but it runs two programmes at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backends import parts
from backends.jax.cells import Tensor, Tensors
from backends.jax.trainer import JaxTrainer, OptimizerState, described
from backends.job import Array, Job, Parameters
from tasks.base import Batch

Share = tuple[Tensor, Tensor, Tensor, Tensor | None]
"""A part's weight in the batch's loss, its x, y and, where they vary, lengths."""
Found = tuple[Tensor, Tensors]
"""What a part adds to the loss, and to the gradients."""


class JaxHalvesTrainer(JaxTrainer):
    """One programme for a part's gradients, one for the update with all of them."""

    def __init__(self, job: Job, parameters: Parameters) -> None:
        super().__init__(job, parameters)
        self.rows = parts.rows(job)
        self.threads = ThreadPoolExecutor(len(self.rows) - 1, "part")

    def stage(self, batches: Sequence[Batch]) -> list[list[Share]]:  # type: ignore[override]
        staged = [[self._share(share) for share in parts.shares(self.job, batch, self.rows)] for batch in batches]
        jax.block_until_ready(staged)
        return staged

    def train(self, staged: list[list[Share]]) -> Array:  # type: ignore[override]
        losses = []
        for shares in staged:
            programmes = [self._programme(share) for share in shares]  # two threads might compile the same one
            others = self.threads.map(self._found, programmes[1:], shares[1:])
            found = [self._found(programmes[0], shares[0]), *others]
            arguments = self.tensors, self.state, found
            update = self._compiled(("update",), self._add_up, arguments, donate=(0, 1))
            self.tensors, self.state, loss = update(*arguments)
            losses.append(loss)
        jax.block_until_ready((self.tensors, self.state))
        return np.array(jax.device_get(losses))

    def executed(self, batch: Batch) -> str:
        [shares] = self.stage([batch])
        return f"{described(self._programme(shares[0]).as_text())}, {len(shares)} parts"

    def _share(self, share: parts.Share) -> Share:
        weight = self._tensor(np.array(share.weight, self.job.dtype))
        return weight, *self._staged(share.batch)

    def _programme(self, share: Share) -> Any:  # type: ignore[override]
        return self._compiled(("part", share[1].shape), self._part, (self.tensors, *share))

    def _found(self, programme: Any, share: Share) -> Found:
        found: Found = programme(self.tensors, *share)
        return found

    def _part(self, tensors: Tensors, weight: Tensor, x: Tensor, y: Tensor, lengths: Tensor | None) -> Found:
        found: Found = jax.value_and_grad(lambda p: weight * self._loss(p, x, y, lengths))(tensors)
        return found

    def _add_up(
        self, tensors: Tensors, state: OptimizerState, found: list[Found]
    ) -> tuple[Tensors, OptimizerState, Tensor]:
        losses, gradients = zip(*found, strict=True)
        total = jax.tree.map(lambda *each: sum(each[1:], each[0]), *gradients)
        return *self._updated(tensors, state, total), jnp.sum(jnp.stack(losses))
