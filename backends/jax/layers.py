"""Stacks of recurrent layers as pure functions: layer by layer, each direction a loop over time, or all in cuDNN.

A stack maps the model, its canonical parameters, x (T, B, D), the lengths where they vary, and what is done between
layers, to ``Top``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn

from backends.jax.cells import Tensor, Tensors
from backends.jax.convert import cudnn_weights
from backends.jax.recurrence import deferred_dw, final_state, scan, states
from backends.job import Cell, ModelSpec
from backends.parameters import BIASES, layer, layer_names

Recurrence = Callable[[Cell, bool, Tensors, Tensor], Tensor]
"""Maps cell, whether time is reversed, recurrent weights and projected input to hidden states (T, B, H)."""

Direction = Callable[[Cell, bool, Tensors, Tensor, Tensor | None], Tensor]
"""Maps cell, whether time is reversed, one direction's canonical weights, its input (T, B, D) and the lengths where
they vary to hidden states (T, B, H) in the order of time. Weights have the type of the input."""


Between = Callable[[int, Tensor], Tensor]
"""Maps the index of a layer and its hidden states (T, B, features) to what the next layer gets."""


class Top(NamedTuple):
    """The top layer's hidden states: at ``every`` step (T, B, features), and the ``last`` ones (B, features).

    The last state of the reverse direction is the one at the first time step. XLA leaves out what the readout does not
    use.
    """

    every: Tensor
    last: Tensor


def within(x: Tensor, lengths: Tensor) -> Tensor:
    """Whether a position of x (T, B, …) is within its sequence: (T, B)."""
    return jnp.arange(len(x))[:, None] < lengths


@jax.custom_vjp  # type: ignore[untyped-decorator]
def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """x (T, B, n) with each sequence reversed within its own length; padding stays in place.

    It is its own inverse, so its gradient is a gather too; autodiff would scatter.
    """
    t = jnp.arange(len(x))[:, None]
    return jnp.take_along_axis(x, jnp.where(t < lengths, lengths - 1 - t, t)[:, :, None], axis=0)


reverse_within.defvjp(
    lambda x, lengths: (reverse_within(x, lengths), lengths),
    lambda lengths, d_out: (reverse_within(d_out, lengths), None),
)


def stacked(
    direction: Direction,
    model: ModelSpec,
    parameters: Tensors,
    x: Tensor,
    lengths: Tensor | None,
    between: Between | None,
    final: Direction | None = None,
) -> Top:
    """Layer by layer, direction by direction.

    Where the readout is that of the last step and all sequences are equally long, ``final`` may compute the top layer:
    it gives the hidden state (1, B, H) of the step that is read last.
    """
    ends_alone = final if model.readout == "last" and lengths is None else None
    below, directions = x, list[Tensor]()
    for index, reverse, prefix in layer_names(model):
        if not reverse and directions:
            below, directions = jnp.concatenate(directions, axis=2), []
            below = between(index - 1, below) if between else below
        p = {name: w.astype(x.dtype) for name, w in layer(parameters, prefix).items()}
        compute = ends_alone if ends_alone and index == model.layers - 1 else direction
        directions.append(compute(model.cell, reverse, p, below, lengths))
    forward, *others = directions
    end = forward[-1] if lengths is None else forward[lengths - 1, jnp.arange(len(lengths))]
    return Top(jnp.concatenate(directions, axis=2), jnp.concatenate([end, *(d[0] for d in others)], axis=1))


def hoisted(recurrence: Recurrence, cell: Cell, reverse: bool, p: Tensors, x: Tensor, lengths: Tensor | None) -> Tensor:
    """A direction that projects its input before its loop over time."""
    projected = x @ p["W_ih"].T + p[BIASES[cell][0]]  # one GEMM for all steps
    recurrent = {name: w for name, w in p.items() if name.endswith("_hh")}
    return in_its_order(partial(recurrence, cell), reverse, recurrent, projected, lengths)


def in_its_order(
    run: Callable[[bool, Tensors, Tensor], Tensor], reverse: bool, p: Tensors, x: Tensor, lengths: Tensor | None
) -> Tensor:
    """What ``run`` makes of x (T, B, n), reversed within each length where lengths vary; else ``run`` reverses it."""
    if not reverse or lengths is None:
        return run(reverse, p, x)
    return reverse_within(run(False, p, reverse_within(x, lengths)), lengths)


def cudnn_layers(
    model: ModelSpec, parameters: Tensors, x: Tensor, lengths: Tensor | None, between: Between | None
) -> Top:
    """All layers and directions in one call of cuDNN's LSTM; a call for each layer where something is done between.

    cuDNN reads each sequence up to its length, in either direction, and writes zeros past it.
    """
    if between is None:
        return _cudnn(model, parameters, x, lengths)
    top = Top(x, x)
    for index in range(model.layers):
        below = between(index - 1, top.every) if index else x
        one = replace(model, layers=1, inputs=model.width_into(index))
        own = {
            f"l0{'r' if reverse else ''}.{name}": w
            for number, reverse, prefix in layer_names(model) if number == index
            for name, w in layer(parameters, prefix).items()
        }  # fmt: skip
        top = _cudnn(one, own, below, lengths)
    return top


def _cudnn(model: ModelSpec, parameters: Tensors, x: Tensor, lengths: Tensor | None) -> Top:
    T, B, D = x.shape
    zero = jnp.zeros((model.layers * model.directions, B, model.hidden), x.dtype)
    full = jnp.full(B, T, jnp.int32)
    y, h_n, _ = rnn.lstm(
        x.swapaxes(0, 1),
        zero,
        zero,
        cudnn_weights(model, parameters),
        full if lengths is None else lengths,
        D,
        model.hidden,
        model.layers,
        0.0,  # dropout
        model.bidirectional,
        lax.Precision.HIGHEST,  # IEEE float32: left to itself it takes TF32
    )
    return Top(y.swapaxes(0, 1), jnp.concatenate(h_n[-model.directions :], axis=1))


Stack = Callable[[ModelSpec, Tensors, Tensor, Tensor | None, Between | None], Top]

scan_layers: Stack = partial(stacked, partial(hoisted, scan))
deferred_dw_layers: Stack = partial(stacked, partial(hoisted, partial(deferred_dw, 1)))
unrolled_layers: Stack = partial(stacked, partial(hoisted, partial(deferred_dw, 4)))


def _forward_only(unroll: int) -> Stack:
    return partial(
        stacked, partial(hoisted, partial(states, unroll)), final=partial(hoisted, partial(final_state, unroll))
    )


#: What predicts in place of a stack that trains, turn for turn of its loops.
FORWARD_ONLY: dict[Stack, Stack] = {
    scan_layers: _forward_only(1), deferred_dw_layers: _forward_only(1), unrolled_layers: _forward_only(4),
}  # fmt: skip


def forward_only(layers: Stack) -> Stack:
    """The stack that computes a prediction of ``layers`` and keeps nothing for a backward pass; else the same one."""
    return FORWARD_ONLY.get(layers, layers)
