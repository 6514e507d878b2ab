"""The model as a pure function: a stack of recurrent layers, computed as the variant says, and the linear readout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn

from backends.jax.cells import Tensor, Tensors, late_dw, scan
from backends.jax.convert import cudnn_weights
from backends.job import Cell, ModelSpec
from backends.parameters import BIASES, layer, layer_names

Recurrence = Callable[[Cell, bool, Tensors, Tensor], Tensor]


class Top(NamedTuple):
    """The top layer's hidden states: at ``every`` step (T, B, features), and the ``last`` ones (B, features).

    The last state of the backward direction is the one at the first time step. What nobody reads is not computed.
    """

    every: Tensor
    last: Tensor


# -- lengths ---------------------------------------------------------------------------------------


def within(x: Tensor, lengths: Tensor) -> Tensor:
    """Whether a position of x (T, B, …) is within its sequence: (T, B)."""
    return jnp.arange(len(x))[:, None] < lengths


@jax.custom_vjp  # type: ignore[untyped-decorator]
def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """x (T, B, n) with each sequence reversed within its own length, its padding left in place.

    Its own inverse: so the gradient is reversed by a gather too, where autodiff would scatter.
    """
    t = jnp.arange(len(x))[:, None]
    return jnp.take_along_axis(x, jnp.where(t < lengths, lengths - 1 - t, t)[:, :, None], axis=0)


reverse_within.defvjp(
    lambda x, lengths: (reverse_within(x, lengths), lengths),
    lambda lengths, d_out: (reverse_within(d_out, lengths), None),
)


# -- stacks of layers ------------------------------------------------------------------------------


def loops(recurrence: Recurrence, model: ModelSpec, parameters: Tensors, x: Tensor, lengths: Tensor | None) -> Top:
    """Layer by layer, each direction a loop over time; x is (T, B, D)."""
    below, directions = x, list[Tensor]()
    for _, backward, prefix in layer_names(model):
        if not backward and directions:
            below, directions = jnp.concatenate(directions, axis=2), []
        p = {name: w.astype(x.dtype) for name, w in layer(parameters, prefix).items()}
        projected = below @ p["W_ih"].T + p[BIASES[model.cell][0]]  # one GEMM for all steps
        recurrent = {name: w for name, w in p.items() if name.endswith("_hh")}
        directions.append(_direction(partial(recurrence, model.cell), backward, recurrent, projected, lengths))
    forward, *others = directions
    end = forward[-1] if lengths is None else forward[lengths - 1, jnp.arange(len(lengths))]
    return Top(jnp.concatenate(directions, axis=2), jnp.concatenate([end, *(d[0] for d in others)], axis=1))


def _direction(
    recurrence: Callable[[bool, Tensors, Tensor], Tensor],
    backward: bool,
    p: Tensors,
    projected: Tensor,
    lengths: Tensor | None,
) -> Tensor:
    """One direction's hidden states (T, B, H), in the order of time."""
    if not backward or lengths is None:
        return recurrence(backward, p, projected)
    return reverse_within(recurrence(False, p, reverse_within(projected, lengths)), lengths)


def cudnn(model: ModelSpec, parameters: Tensors, x: Tensor, lengths: Tensor | None) -> Top:
    """All layers and directions in one call of cuDNN's LSTM; x is (T, B, D).

    cuDNN reads each sequence up to its length, in either direction, and writes zeros past it.
    """
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


STACKS: dict[str, Callable[[ModelSpec, Tensors, Tensor, Tensor | None], Top]] = {
    "scan": partial(loops, scan),
    "late-dw": partial(loops, partial(late_dw, 1)),
    "late-dw-graph": partial(loops, partial(late_dw, 1)),
    "halves": partial(loops, partial(late_dw, 1)),
    "unrolled": partial(loops, partial(late_dw, 4)),
    "cudnn": cudnn,
    "chunk": partial(loops, partial(late_dw, 1)),
}


# -- the network -----------------------------------------------------------------------------------


def network(model: ModelSpec, variant: str, parameters: Tensors, x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Recurrent layers and the linear readout: x (T, B, D) to (B, outputs) or (T, B, outputs).

    The layers compute in the type of x, to which their weights are cast, the readout in that of the parameters.
    """
    top = STACKS[variant](model, parameters, x, lengths)
    hs = top.last if model.readout == "last" else top.every
    W, b = parameters["head.W"], parameters["head.b"]
    return hs.astype(W.dtype) @ W.T + b
