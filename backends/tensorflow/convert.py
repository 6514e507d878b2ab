"""Converts canonical parameters to a layer's arrays and back. All layers keep Keras's layout: one conversion for all.

Keras: ``kernel`` (D, G·H), ``recurrent_kernel`` (H, G·H), ``bias`` (G·H,), or (2, G·H) for the GRU that resets after
the recurrent product: the input's row, then the recurrent one. The GRUs' gates are in the order z, r, n.
"""

from __future__ import annotations

import numpy as np

from backends.job import Array, Cell, Parameters
from backends.parameters import BIASES


def to_own(cell: Cell, p: Parameters) -> list[Array]:
    """kernel, recurrent_kernel and bias from one layer's canonical arrays."""
    gates = {name: _swap_r_z(cell, _negate_z(cell, rows)) for name, rows in p.items()}
    biases = [gates[name] for name in BIASES[cell]]
    return [gates["W_ih"].T, gates["W_hh"].T, np.stack(biases) if len(biases) == 2 else biases[0]]


def from_own(cell: Cell, own: list[Array]) -> Parameters:
    """One layer's canonical arrays from kernel, recurrent_kernel and bias: the exact inverse."""
    kernel, recurrent_kernel, bias = own
    rows = {"W_ih": kernel.T, "W_hh": recurrent_kernel.T}
    rows |= dict(zip(BIASES[cell], bias.reshape(len(BIASES[cell]), -1), strict=True))
    return {name: np.ascontiguousarray(_negate_z(cell, _swap_r_z(cell, p))) for name, p in rows.items()}


def _swap_r_z(cell: Cell, rows: Array) -> Array:
    """Gates r, z, n to Keras's z, r, n, or the reverse."""
    if cell not in ("gru", "gru-reset-before"):
        return rows
    first, second, n = np.split(rows, 3)
    return np.concatenate([second, first, n])


def _negate_z(cell: Cell, rows: Array) -> Array:
    """Keras's z keeps the old state; the canonical one, reset before, lets the new one in: σ(−a) = 1 − σ(a)."""
    if cell != "gru-reset-before":
        return rows
    r, z, n = np.split(rows, 3)
    return np.concatenate([r, -z, n])
