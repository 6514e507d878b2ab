"""Recurrent layers of the libraries that people use on JAX: Equinox, Flax NNX and Keras, inside the one training step.

Each function is a ``Direction`` of ``layers``: loss, readout, optimizer and compilation are this project's, the layer
is the library's. It is made anew whenever the step is traced, from the canonical arrays: what is trained stays
canonical, and the compiled program holds a few copies of weights for it. Nothing is hoisted out of a loop here: a
library computes as it does for its users. Each is imported when its layer is made, as the others may not be installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.cells import Tensor, Tensors
from backends.jax.layers import Stack, in_its_order, stacked
from backends.job import Cell
from backends.keras_layout import keras_layer, to_keras


def equinox_direction(cell: Cell, reverse: bool, p: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
    """``equinox.nn.LSTMCell`` or ``GRUCell`` in ``lax.scan``, as Equinox's documentation shows, under ``jax.vmap``."""
    step = _equinox_cell(cell, p)

    def of_one(reverse: bool, _: Tensors, xs: Tensor) -> Tensor:
        def body(state: Any, x: Tensor) -> tuple[Any, Tensor]:
            state = step(x, state)
            return state, state[0] if cell == "lstm" else state

        zero = jnp.zeros(step.hidden_size, xs.dtype)
        hs: Tensor = lax.scan(body, (zero, zero) if cell == "lstm" else zero, xs, reverse=reverse)[1]
        return hs

    def of_batch(reverse: bool, p: Tensors, x: Tensor) -> Tensor:
        return jax.vmap(partial(of_one, reverse, p), in_axes=1, out_axes=1)(x)

    return in_its_order(of_batch, reverse, p, x, lengths)


def _equinox_cell(cell: Cell, p: Tensors) -> Any:
    import equinox as eqx

    hidden, width = p["W_hh"].shape[1], p["W_ih"].shape[1]
    kind = eqx.nn.LSTMCell if cell == "lstm" else eqx.nn.GRUCell
    like = eqx.filter_eval_shape(kind, width, hidden, key=jax.random.key(0))  # its shapes: nothing is drawn
    if cell == "lstm":
        return eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh, c.bias), like, (p["W_ih"], p["W_hh"], p["b"]))
    # Equinox adds the recurrent biases of r and z to the input's; each still gets a gradient of its own
    of_r_and_z, of_n = jnp.split(p["b_hh"], [2 * hidden])
    own = p["W_ih"], p["W_hh"], p["b_ih"].at[: 2 * hidden].add(of_r_and_z), of_n
    return eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh, c.bias, c.bias_n), like, own)


def flax_direction(cell: Cell, reverse: bool, p: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
    """``flax.nnx.RNN`` of ``OptimizedLSTMCell`` or ``SimpleCell``, which reverses within lengths by itself."""
    from flax import nnx

    def given(weights: Tensor) -> Callable[..., Tensor]:
        return lambda *_: weights

    kind = nnx.OptimizedLSTMCell if cell == "lstm" else nnx.SimpleCell
    made = kind(
        p["W_ih"].shape[1], p["W_hh"].shape[1], kernel_init=given(p["W_ih"].T),
        recurrent_kernel_init=given(p["W_hh"].T), bias_init=given(p["b"]), dtype=x.dtype, param_dtype=x.dtype,
        rngs=nnx.Rngs(0),
    )  # fmt: skip
    layer = nnx.RNN(made, time_major=True, reverse=reverse, keep_order=True)
    return layer(x, seq_lengths=lengths)


def keras_direction(cell: Cell, reverse: bool, p: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
    """``SimpleRNN``, ``LSTM`` or ``GRU`` of Keras through ``stateless_call``, under a mask where lengths vary.

    Time is reversed around the layer, not by its ``go_backwards``, whose output is in one order from cuDNN and in the
    other from a loop. Under the mask Keras keeps the state, so that reading in reverse begins at each sequence's own
    last step.
    """
    layer = _keras_layer(cell, p["W_ih"].shape[1], p["W_hh"].shape[1], x.dtype.name)
    mask = None if lengths is None else jnp.arange(len(x))[:, None] < lengths
    if reverse:
        x, mask = jnp.flip(x, 0), None if mask is None else jnp.flip(mask, 0)
    rest = [variable.value for variable in layer.non_trainable_variables]
    masked = {} if mask is None else {"mask": mask.T}
    hs, _ = layer.stateless_call(to_keras(cell, p, jnp), rest, x.swapaxes(0, 1), **masked)
    hs = hs.swapaxes(0, 1)
    return jnp.flip(hs, 0) if reverse else hs


@cache
def _keras_layer(cell: Cell, width: int, hidden: int, dtype: str) -> Any:
    """The layer, built once: its own variables hold zeros and are never trained."""
    zeros: dict[str, Any] = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    with jax.ensure_compile_time_eval():  # else its variables would belong to the trace in which it is made
        layer = keras_layer(cell, hidden, return_sequences=True, dtype=dtype, **zeros)
        layer.build((None, None, width))
    return layer


equinox_layers: Stack = partial(stacked, equinox_direction)
flax_layers: Stack = partial(stacked, flax_direction)
keras_layers: Stack = partial(stacked, keras_direction)
