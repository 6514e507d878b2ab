"""What the seed of this project did: ``model.fit`` of Keras, on the framework that ``KERAS_BACKEND`` names.

One block is one epoch; its batches are the same arrays again and again, already in memory. All settings but the
update's are Keras's own, ``jit_compile`` included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

CLIP = 1.0


def programme(
    cell: str, batch: int, length: int, features: int, hidden: int, lr: float
) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one does nothing to a batch, one does an epoch of all batches and gives their mean loss."""
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
    model = keras.Sequential([keras.Input((length, features)), layer(hidden), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(lr, global_clipnorm=CLIP), "mse")
    joined: dict[int, tuple[Any, Any]] = {}

    def train(batches: Sequence[tuple[Any, Any]]) -> Any:
        x, y = joined.get(len(batches)) or joined.setdefault(len(batches), _joined(batches))
        return model.fit(x, y, batch_size=batch, epochs=1, verbose=0, shuffle=False).history["loss"]

    return lambda x, y: (x, y), train


def _joined(batches: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    return np.concatenate([x for x, _ in batches]), np.concatenate([y for _, y in batches])
