"""What the seed of this project did: ``model.fit`` of Keras, on the framework that ``KERAS_BACKEND`` names.

A block is an epoch, over arrays that are already in memory. Every setting that does not belong to the update is Keras's
default, ``jit_compile`` included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    from loader import Sizes

CLIP = 1.0


def program(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one does nothing to a batch, one does an epoch of all batches and gives their mean loss."""
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[sizes.cell](sizes.hidden)
    model = keras.Sequential([keras.Input((sizes.length, sizes.features)), layer, keras.layers.Dense(sizes.outputs)])
    loss = "mse" if sizes.loss == "mse" else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(sizes.lr, global_clipnorm=CLIP), loss)
    joined: dict[int, tuple[Any, Any]] = {}

    def train(batches: Sequence[tuple[Any, Any]]) -> Any:
        x, y = joined.get(len(batches)) or joined.setdefault(len(batches), _joined(batches))
        return model.fit(x, y, batch_size=sizes.batch, epochs=1, verbose=0, shuffle=False).history["loss"]

    return lambda x, y: (x, y), train


def _joined(batches: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])
