"""The batch in parts, each computed by a thread that calls its own compiled program.

XLA's CPU client runs the loops of one program one after the other, and a step of a loop is too small to be shared among
threads; but it runs two programs at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from backends import parts
from backends.jax.cells import Tensor, Tensors
from backends.jax.hlo import described
from backends.jax.optimizer import OptimizerState
from backends.jax.trainer import Found, JaxTrainer
from backends.job import Array, Job, Parameters, checked_lengths
from backends.variants import Entry
from tasks.base import Batch

Share = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]
"""A part's weight in the batch's loss, its x, y, lengths where they vary, and the masks of dropout."""


class JaxPartsTrainer(JaxTrainer):
    """One program for a part's gradients, one for the update with their sum."""

    def __init__(self, job: Job, parameters: Parameters, entry: Entry) -> None:
        super().__init__(job, parameters, entry)
        self.rows = parts.rows(job)
        self.threads = ThreadPoolExecutor(len(self.rows) - 1, "part")

    def stage(self, batches: Sequence[Batch]) -> list[list[Share]]:  # type: ignore[override]
        """Each batch as its parts, on the device."""
        staged = [[self._share(share) for share in parts.shares(self.job, batch, self.rows)] for batch in batches]
        jax.block_until_ready(staged)
        return staged

    def train(self, staged: list[list[Share]]) -> Array:  # type: ignore[override]
        """The thread that dispatches computes the first part itself: one thread fewer to wake in each update."""
        losses = []
        for shares in self._rated(staged):
            arguments = self.tensors, self.state, self._of_all(shares)
            update = self._compiled(("update",), self._add_up, arguments, donate=(0, 1))
            self.tensors, self.state, loss = update(*arguments)
            losses.append(loss)
        jax.block_until_ready((self.tensors, self.state))
        return np.array(jax.device_get(losses))

    def stage_inputs(self, x: Array, lengths: Array | None = None) -> list[Any]:
        """The inputs of each part; the batch may have any size."""
        job = self.job.resized(len(x))
        rows, lengths = parts.rows(job), checked_lengths(job, lengths)
        own = [None if lengths is None else lengths[each] for each in rows]
        return [super(JaxPartsTrainer, self).stage_inputs(x[each], n) for each, n in zip(rows, own, strict=True)]

    def predict_staged(self, staged: list[Any]) -> list[Tensor]:
        """The outputs of each part, in the threads of training."""
        programs = [self._predictor(part) for part in staged]
        others = self.threads.map(self._predicted, programs[1:], staged[1:])
        found = [self._predicted(programs[0], staged[0]), *others]
        return list(jax.block_until_ready(found))

    def fetch(self, outputs: list[Tensor]) -> Array:
        """The parts as one batch."""
        return np.concatenate([np.asarray(part) for part in outputs])

    def executed(self, batch: Batch) -> str:
        """Read from the compiled program of the first part."""
        [shares] = self.stage([batch])
        return f"{described(self._program(shares[0]).as_text())}, {len(shares)} parts"

    def _share(self, share: parts.Share) -> Share:
        weight = self._tensor(np.array(share.weight, self.job.dtype))
        return weight, *self._staged(share.batch)

    def _program(self, share: Share) -> Any:  # type: ignore[override]
        return self._compiled(("part", share[1].shape), self._part, (self.tensors, *share))

    def _of_all(self, shares: list[Share]) -> list[Found]:
        programs = [self._program(share) for share in shares]  # here, since two threads might compile the same one
        others = self.threads.map(self._found, programs[1:], shares[1:])
        return [self._found(programs[0], shares[0]), *others]

    def _added_to(self, total: Found, micro: list[Share]) -> Found:
        arguments = [total, *self._of_all(micro)]
        added: Found = self._compiled(("add",), _sum, (arguments,))(arguments)
        return added

    def _found(self, program: Any, share: Share) -> Found:
        found: Found = program(self.tensors, *share)
        return found

    def _predicted(self, program: Any, part: Any) -> Tensor:
        return program(self.tensors, *part)

    def _part(
        self, tensors: Tensors, weight: Tensor, x: Tensor, y: Tensor, lengths: Tensor | None, masks: Tensor | None
    ) -> Found:
        found: Found = jax.value_and_grad(lambda p: weight * self._loss(p, x, y, lengths, masks))(tensors)
        return found

    def _add_up(
        self, tensors: Tensors, state: OptimizerState, found: list[Found]
    ) -> tuple[Tensors, OptimizerState, Tensor]:
        loss, gradients = _sum(found)
        return *self._updated(tensors, state, gradients), loss


def _sum(found: list[Found]) -> Found:
    """Losses and gradients of several parts, of one micro-batch or of several."""
    total: Found = jax.tree.map(lambda *each: sum(each[1:], each[0]), *found)
    return total
