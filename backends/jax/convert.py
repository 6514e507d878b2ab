"""Canonical parameters to cuDNN's flat vector for all layers and directions.

It is differentiable, so that gradients arrive in the canonical layout and what is trained stays canonical.
"""

from __future__ import annotations

import jax.numpy as jnp

from backends.jax.cells import Tensor, Tensors
from backends.job import ModelSpec
from backends.parameters import layer, layer_names


def cudnn_weights(model: ModelSpec, parameters: Tensors) -> Tensor:
    """The LSTM's weights as ``jax.experimental.rnn`` lays them out: gates i, f, g, o, as ours.

    First W_ih and W_hh of l0, l0r, l1, l1r, …, then b_ih and b_hh of the same. cuDNN adds the two biases: ours is
    b_ih, and b_hh is constant zero.
    """
    layers = [layer(parameters, prefix) for _, _, prefix in layer_names(model)]
    matrices = [p[name] for p in layers for name in ("W_ih", "W_hh")]
    biases = [b for p in layers for b in (p["b"], jnp.zeros_like(p["b"]))]
    return jnp.concatenate([array.ravel() for array in matrices + biases])
