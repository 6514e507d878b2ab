"""The equations of one time step of each cell, forwards and backwards.

``forward`` maps the projected input a (B, G·H) and the state to the next state and to what the backward pass needs,
``saved``. The state is a tuple: the hidden state h (B, H) first, then the LSTM's cell state c (B, H). ``backward`` maps
``saved`` and the gradient with respect to the next state to the gradients with respect to a and to the state.
``weight_gradients`` gives those with respect to the recurrent weights for all steps at once: there ``saved`` and da
have a leading axis of T·B.

The dtype is the arguments' own throughout: Python's numbers are weakly typed and do not widen it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.nn import sigmoid

from backends.job import Cell

Tensor = Any  # a jax.Array, or its tracer
Tensors = dict[str, Tensor]
State = tuple[Tensor, ...]


def plain_weight_gradients(saved: State, da: Tensor) -> Tensors:
    """Where the recurrent products are added to a unchanged: dW_hh = daᵀ·h."""
    return {"W_hh": da.T @ saved[0]}


def rnn_forward(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    """h' = tanh(a + W_hh h)."""
    (h,) = state
    h_next = jnp.tanh(a + h @ p["W_hh"].T)
    return (h_next,), (h, h_next)


def rnn_backward(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    """Through the tanh."""
    _, h_next = saved
    (dh,) = d_state
    da = dh * (1 - h_next**2)
    return da, (da @ p["W_hh"],)


def lstm_forward(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    """c' = f ∘ c + i ∘ g, h' = o ∘ tanh(c')."""
    h, c = state
    a_i, a_f, a_g, a_o = jnp.split(a + h @ p["W_hh"].T, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), jnp.tanh(a_g), sigmoid(a_o)
    c_next = f * c + i * g
    tanh_c = jnp.tanh(c_next)
    h_next = o * tanh_c
    return (h_next, c_next), (h, c, i, f, g, o, tanh_c)


def lstm_backward(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    """Through h' and c' to the four gates."""
    _, c, i, f, g, o, tanh_c = saved
    dh, dc = d_state
    dc = dc + dh * o * (1 - tanh_c**2)
    da_i, da_f = dc * g * i * (1 - i), dc * c * f * (1 - f)
    da_g, da_o = dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)
    da = jnp.concatenate([da_i, da_f, da_g, da_o], axis=1)
    return da, (da @ p["W_hh"], dc * f)


def gru_forward(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    """Reset after the recurrent product: n = tanh(a_n + r ∘ (U_n h + b_hn)), h' = (1 − z) ∘ n + z ∘ h."""
    (h,) = state
    a_r, a_z, a_n = jnp.split(a, 3, axis=1)
    u_r, u_z, u_n = jnp.split(h @ p["W_hh"].T + p["b_hh"], 3, axis=1)
    r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
    n = jnp.tanh(a_n + r * u_n)
    return (n + z * (h - n),), (h, r, z, n, u_n)


def gru_backward(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    """Through h' to the gates; the reset gate stands between da_n and the recurrent product."""
    h, r, z, n, u_n = saved
    (dh,) = d_state
    da_z = dh * (h - n) * z * (1 - z)
    da_n = dh * (1 - z) * (1 - n**2)
    da_r = da_n * u_n * r * (1 - r)
    du = jnp.concatenate([da_r, da_z, da_n * r], axis=1)
    return jnp.concatenate([da_r, da_z, da_n], axis=1), (dh * z + du @ p["W_hh"],)


def gru_weight_gradients(saved: State, da: Tensor) -> Tensors:
    """As ``plain_weight_gradients``, with da_n ∘ r in place of da_n, and of b_hh."""
    h, r = saved[:2]
    da_r, da_z, da_n = jnp.split(da, 3, axis=1)
    du = jnp.concatenate([da_r, da_z, da_n * r], axis=1)
    return {"W_hh": du.T @ h, "b_hh": du.sum(0)}


def gru_reset_before_forward(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    """Reset before the recurrent product: n = tanh(a_n + U_n (r ∘ h)), h' = (1 − z) ∘ h + z ∘ n."""
    (h,) = state
    H = h.shape[1]
    r, z = jnp.split(sigmoid(a[:, : 2 * H] + h @ p["W_hh"][: 2 * H].T), 2, axis=1)
    n = jnp.tanh(a[:, 2 * H :] + (r * h) @ p["W_hh"][2 * H :].T)
    return (h + z * (n - h),), (h, r, z, n)


def gru_reset_before_backward(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    """Through h' to the gates, and through r ∘ h to r and h."""
    h, r, z, n = saved
    (dh,) = d_state
    H = h.shape[1]
    da_z = dh * (n - h) * z * (1 - z)
    da_n = dh * z * (1 - n**2)
    d_rh = da_n @ p["W_hh"][2 * H :]
    da_rz = jnp.concatenate([d_rh * h * r * (1 - r), da_z], axis=1)
    dh_prev = dh * (1 - z) + d_rh * r + da_rz @ p["W_hh"][: 2 * H]
    return jnp.concatenate([da_rz, da_n], axis=1), (dh_prev,)


def gru_reset_before_weight_gradients(saved: State, da: Tensor) -> Tensors:
    """Rows of r and z from h, rows of n from r ∘ h."""
    h, r = saved[:2]
    H = h.shape[1]
    return {"W_hh": jnp.concatenate([da[:, : 2 * H].T @ h, da[:, 2 * H :].T @ (r * h)])}


class CellRules(NamedTuple):
    """One cell's equations, and how many tensors its state is."""

    states: int
    forward: Callable[[Tensors, Tensor, State], tuple[State, State]]
    backward: Callable[[Tensors, State, State], tuple[Tensor, State]]
    weight_gradients: Callable[[State, Tensor], Tensors]


CELLS: dict[Cell, CellRules] = {
    "rnn": CellRules(1, rnn_forward, rnn_backward, plain_weight_gradients),
    "lstm": CellRules(2, lstm_forward, lstm_backward, plain_weight_gradients),
    "gru": CellRules(1, gru_forward, gru_backward, gru_weight_gradients),
    "gru-reset-before": CellRules(
        1, gru_reset_before_forward, gru_reset_before_backward, gru_reset_before_weight_gradients
    ),
}
