"""Canonical parameters to others': cuDNN's flat vector for all layers and directions, and a Keras layer's arrays.

All of it is differentiable, so that gradients arrive in the canonical layout and what is trained stays canonical.
"""

from __future__ import annotations

import jax.numpy as jnp

from backends.jax.cells import Tensor, Tensors
from backends.job import Cell, ModelSpec
from backends.parameters import BIASES, layer, layer_names


def cudnn_weights(model: ModelSpec, parameters: Tensors) -> Tensor:
    """The LSTM's weights as ``jax.experimental.rnn`` lays them out: gates i, f, g, o, as ours.

    First W_ih and W_hh of l0, l0r, l1, l1r, …, then b_ih and b_hh of the same. cuDNN adds the two biases: ours is
    b_ih, and b_hh is constant zero.
    """
    layers = [layer(parameters, prefix) for _, _, prefix in layer_names(model)]
    matrices = [p[name] for p in layers for name in ("W_ih", "W_hh")]
    biases = [b for p in layers for b in (p["b"], jnp.zeros_like(p["b"]))]
    return jnp.concatenate([array.ravel() for array in matrices + biases])


def keras_weights(cell: Cell, p: Tensors) -> list[Tensor]:
    """A Keras layer's kernel (D, G·H), recurrent kernel (H, G·H) and bias from one direction's canonical arrays.

    The bias is (G·H,), or (2, G·H) for the GRU that resets after the recurrent product. Keras's GRUs have their gates
    in the order z, r, n; reset before, its z keeps the old state and the canonical one lets the new one in:
    σ(−a) = 1 − σ(a).
    """
    own = {name: _keras_gates(cell, rows) for name, rows in p.items()}
    biases = [own[name] for name in BIASES[cell]]
    return [own["W_ih"].T, own["W_hh"].T, jnp.stack(biases) if len(biases) == 2 else biases[0]]


def _keras_gates(cell: Cell, rows: Tensor) -> Tensor:
    if cell not in ("gru", "gru-reset-before"):
        return rows
    r, z, n = jnp.split(rows, 3)
    return jnp.concatenate([-z if cell == "gru-reset-before" else z, r, n])
