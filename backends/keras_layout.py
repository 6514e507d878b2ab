"""Keras's recurrent layers, whatever framework Keras computes on: how they are made, and their arrays.

Keras: ``kernel`` (D, G·H), ``recurrent_kernel`` (H, G·H), ``bias`` (G·H,), or (2, G·H) for the GRU that resets after
the recurrent product: the input's row, then the recurrent one. The GRUs' gates are in the order z, r, n.

``xp`` is the namespace of the arrays: NumPy, or ``jax.numpy``, through which gradients go back to the canonical layout.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from backends.job import Array, Cell, Job, Parameters
from backends.parameters import BIASES


def why_keras_is_elsewhere(framework: str, job: Job) -> str | None:
    """Why Keras does not compute on ``framework`` in this process: that is decided when it is imported, for good."""
    del job
    keras = sys.modules.get("keras")
    on = keras.backend.backend() if keras else os.environ.get("KERAS_BACKEND", "tensorflow")
    return None if on == framework else f"Keras computes with {on} in this process; set KERAS_BACKEND={framework}"


def keras_layer(cell: Cell, hidden: int, **words: Any) -> Any:
    """Keras's own layer of ``cell``, not built yet; ``words`` are its other arguments. Imports Keras."""
    from keras import layers

    if cell in ("gru", "gru-reset-before"):
        return layers.GRU(hidden, reset_after=cell == "gru", **words)
    return {"rnn": layers.SimpleRNN, "lstm": layers.LSTM}[cell](hidden, **words)


def to_keras(cell: Cell, p: Parameters, xp: Any = np) -> list[Array]:
    """kernel, recurrent_kernel and bias from the canonical arrays of one layer in one direction."""
    gates = {name: _swap_r_z(cell, _negate_z(cell, rows, xp), xp) for name, rows in p.items()}
    biases = [gates[name] for name in BIASES[cell]]
    return [gates["W_ih"].T, gates["W_hh"].T, xp.stack(biases) if len(biases) == 2 else biases[0]]


def from_keras(cell: Cell, own: list[Array]) -> Parameters:
    """The canonical arrays of one layer in one direction from kernel, recurrent_kernel and bias: the exact inverse."""
    kernel, recurrent_kernel, bias = own
    rows = {"W_ih": kernel.T, "W_hh": recurrent_kernel.T}
    rows |= dict(zip(BIASES[cell], bias.reshape(len(BIASES[cell]), -1), strict=True))
    return {name: np.ascontiguousarray(_negate_z(cell, _swap_r_z(cell, p, np), np)) for name, p in rows.items()}


def _swap_r_z(cell: Cell, rows: Array, xp: Any) -> Array:
    """Gates r, z, n to Keras's z, r, n, or the reverse."""
    if cell not in ("gru", "gru-reset-before"):
        return rows
    first, second, n = xp.split(rows, 3)
    swapped: Array = xp.concatenate([second, first, n])
    return swapped


def _negate_z(cell: Cell, rows: Array, xp: Any) -> Array:
    """Keras's z keeps the old state; the canonical one, reset before, lets the new one in: σ(−a) = 1 − σ(a)."""
    if cell != "gru-reset-before":
        return rows
    r, z, n = xp.split(rows, 3)
    negated: Array = xp.concatenate([r, -z, n])
    return negated
