"""Which units are dropped in training: masks drawn in NumPy, so that every backend drops the same ones.

Srivastava et al. 2014, "Dropout", on the non-recurrent connections alone: Zaremba, Sutskever & Vinyals 2014, "Recurrent
Neural Network Regularization", section 3.1. What is kept is scaled by 1/(1 − p) in training, so that prediction needs
neither mask nor scale.

The stream is counter-based (Philox), keyed by the seed, and read at the number of the update and of the boundary: the
masks of an update can be drawn on their own, whatever blocks the updates are trained in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backends.job import Array, ModelSpec
from tasks.base import Batch

#: The second half of the key, beside the seed: other streams of a run have other ones.
_KEY = 0xD209


def kept(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Array:
    """Which units are kept: bool of this shape, each False with probability ``rate`` (to 24 bits)."""
    mask: Array = rng.random(shape, np.float32) >= rate
    return mask


@dataclass(frozen=True)
class Dropout:
    """Drops units of training batches.

    Attributes:
        seed: of the masks; a run's own.
        model: between whose layers units are dropped.
        rate: share of units dropped between layers, from 0 to below 1.
        input_rate: share of inputs dropped.
    """

    seed: int
    model: ModelSpec
    rate: float = 0.0
    input_rate: float = 0.0

    def __call__(self, batch: Batch, index: int) -> Batch:
        """Training batch number ``index`` with its inputs dropped and scaled, and with the masks between layers."""
        if self.input_rate:
            mask = kept(batch.x.shape, self.input_rate, self._stream(index, 0))
            batch = replace(batch, x=batch.x * mask * (1 / (1 - self.input_rate)))
        if self.rate:
            batch = replace(batch, masks=self._between_layers(len(batch), batch.x.shape[1], index))
        return batch

    def _between_layers(self, batch: int, length: int, index: int) -> Array:
        shape = batch, length, self.model.layers - 1, self.model.features
        masks = np.empty(shape, bool)
        for below in range(shape[2]):  # one boundary at a time: the random numbers take four times the masks' memory
            rng = self._stream(index, below + 1)
            masks[:, :, below] = kept((batch, length, self.model.features), self.rate, rng)
        return masks

    def _stream(self, index: int, boundary: int) -> np.random.Generator:
        """Boundary 0 is the input, k the way from layer k - 1 to layer k."""
        return np.random.Generator(np.random.Philox(key=[self.seed, _KEY], counter=[0, 0, index, boundary]))
