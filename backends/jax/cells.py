"""The recurrent layers as pure functions: a scan over time, and the same scan with its way back by hand.

Both map the projected input (T, B, G·H) to one direction's hidden states (T, B, H). The dtype is the
arguments' own throughout: Python's numbers are weakly typed and lift nothing.

Both scans take one step per turn: on the CPU ``unroll`` of 2 and 4 gained nothing, 8 cost up to twice the time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import sigmoid

from backends.job import Cell

Tensor = Any  # a jax.Array, or its tracer
Tensors = dict[str, Tensor]
State = tuple[Tensor, ...]
"""The hidden state h (B, H) first; the LSTM's cell state c second."""


# -- the cells: one step forward, one step back --------------------------------------------------
# ``step`` maps the projected input a (B, G·H) and the state to the next state and to what the way
# back needs. ``back`` maps the latter and the gradient by the next state to the gradients by a and
# by the state. ``late`` gives, for all steps at once, the gradients by the recurrent weights:
# there everything saved, and da, has a leading axis of T·B.


def plain_late(saved: State, da: Tensor) -> Tensors:
    return {"W_hh": da.T @ saved[0]}


def rnn_step(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    (h,) = state
    h_next = jnp.tanh(a + h @ p["W_hh"].T)
    return (h_next,), (h, h_next)


def rnn_back(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    _, h_next = saved
    (dh,) = d_state
    da = dh * (1 - h_next**2)
    return da, (da @ p["W_hh"],)


def lstm_step(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    h, c = state
    a_i, a_f, a_g, a_o = jnp.split(a + h @ p["W_hh"].T, 4, axis=1)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), jnp.tanh(a_g), sigmoid(a_o)
    c_next = f * c + i * g
    tanh_c = jnp.tanh(c_next)
    h_next = o * tanh_c
    return (h_next, c_next), (h, c, i, f, g, o, tanh_c)


def lstm_back(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    _, c, i, f, g, o, tanh_c = saved
    dh, dc = d_state
    dc = dc + dh * o * (1 - tanh_c**2)
    da_i, da_f = dc * g * i * (1 - i), dc * c * f * (1 - f)
    da_g, da_o = dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)
    da = jnp.concatenate([da_i, da_f, da_g, da_o], axis=1)
    return da, (da @ p["W_hh"], dc * f)


def gru_step(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    """Reset after the recurrent product: n = tanh(a_n + r ∘ (U_n h + b_hn))."""
    (h,) = state
    a_r, a_z, a_n = jnp.split(a, 3, axis=1)
    u_r, u_z, u_n = jnp.split(h @ p["W_hh"].T + p["b_hh"], 3, axis=1)
    r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
    n = jnp.tanh(a_n + r * u_n)
    return (n + z * (h - n),), (h, r, z, n, u_n)


def gru_back(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    h, r, z, n, u_n = saved
    (dh,) = d_state
    da_z = dh * (h - n) * z * (1 - z)
    da_n = dh * (1 - z) * (1 - n**2)
    da_r = da_n * u_n * r * (1 - r)
    du = jnp.concatenate([da_r, da_z, da_n * r], axis=1)
    return jnp.concatenate([da_r, da_z, da_n], axis=1), (dh * z + du @ p["W_hh"],)


def gru_late(saved: State, da: Tensor) -> Tensors:
    h, r = saved[:2]
    da_r, da_z, da_n = jnp.split(da, 3, axis=1)
    du = jnp.concatenate([da_r, da_z, da_n * r], axis=1)
    return {"W_hh": du.T @ h, "b_hh": du.sum(0)}


def gru_reset_before_step(p: Tensors, a: Tensor, state: State) -> tuple[State, State]:
    """Reset before the recurrent product: n = tanh(a_n + U_n (r ∘ h)); z lets n in."""
    (h,) = state
    H = h.shape[1]
    r, z = jnp.split(sigmoid(a[:, : 2 * H] + h @ p["W_hh"][: 2 * H].T), 2, axis=1)
    n = jnp.tanh(a[:, 2 * H :] + (r * h) @ p["W_hh"][2 * H :].T)
    return (h + z * (n - h),), (h, r, z, n)


def gru_reset_before_back(p: Tensors, saved: State, d_state: State) -> tuple[Tensor, State]:
    h, r, z, n = saved
    (dh,) = d_state
    H = h.shape[1]
    da_z = dh * (n - h) * z * (1 - z)
    da_n = dh * z * (1 - n**2)
    d_rh = da_n @ p["W_hh"][2 * H :]
    da_rz = jnp.concatenate([d_rh * h * r * (1 - r), da_z], axis=1)
    dh_prev = dh * (1 - z) + d_rh * r + da_rz @ p["W_hh"][: 2 * H]
    return jnp.concatenate([da_rz, da_n], axis=1), (dh_prev,)


def gru_reset_before_late(saved: State, da: Tensor) -> Tensors:
    h, r = saved[:2]
    H = h.shape[1]
    return {"W_hh": jnp.concatenate([da[:, : 2 * H].T @ h, da[:, 2 * H :].T @ (r * h)])}


class CellRules(NamedTuple):
    states: int
    step: Callable[[Tensors, Tensor, State], tuple[State, State]]
    back: Callable[[Tensors, State, State], tuple[Tensor, State]]
    late: Callable[[State, Tensor], Tensors]


CELLS: dict[Cell, CellRules] = {
    "rnn": CellRules(1, rnn_step, rnn_back, plain_late),
    "lstm": CellRules(2, lstm_step, lstm_back, plain_late),
    "gru": CellRules(1, gru_step, gru_back, gru_late),
    "gru-reset-before": CellRules(1, gru_reset_before_step, gru_reset_before_back, gru_reset_before_late),
}


# -- one layer: the recurrence over all steps ------------------------------------------------------


def _run(cell: Cell, reverse: bool, unroll: int, p: Tensors, projected: Tensor) -> tuple[Tensor, State]:
    """Hidden states (T, B, H) from zero states, and what the way back needs, stacked over time."""
    rules = CELLS[cell]

    def body(state: State, a: Tensor) -> tuple[State, tuple[Tensor, State]]:
        state, saved = rules.step(p, a, state)
        return state, (state[0], saved)

    zero = jnp.zeros((projected.shape[1], p["W_hh"].shape[1]), projected.dtype)
    stacked: tuple[Tensor, State] = lax.scan(body, (zero,) * rules.states, projected, reverse=reverse, unroll=unroll)[1]
    return stacked


def scan(cell: Cell, reverse: bool, p: Tensors, projected: Tensor) -> Tensor:
    """Autodiff's way back sums dW_hh inside the loop: a small GEMM and a pass over dW_hh at every step."""
    return _run(cell, reverse, 1, p, projected)[0]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def late_dw(unroll: int, cell: Cell, reverse: bool, p: Tensors, projected: Tensor) -> Tensor:
    """The way back stacks the gradient by the gates, so that dW_hh is one GEMM over T·B after the loop."""
    return _run(cell, reverse, unroll, p, projected)[0]


def _late_dw_forward(
    unroll: int, cell: Cell, reverse: bool, p: Tensors, projected: Tensor
) -> tuple[Tensor, tuple[Tensors, State]]:
    hs, saved = _run(cell, reverse, unroll, p, projected)
    return hs, (p, saved)


def _late_dw_back(
    unroll: int, cell: Cell, reverse: bool, residuals: tuple[Tensors, State], d_hs: Tensor
) -> tuple[Tensors, Tensor]:
    rules, (p, saved) = CELLS[cell], residuals

    def body(d_state: State, at: tuple[State, Tensor]) -> tuple[State, Tensor]:
        kept, dh = at
        da, d_state = rules.back(p, kept, (d_state[0] + dh, *d_state[1:]))
        return d_state, da

    zero = jnp.zeros_like(d_hs[0])
    d_projected = lax.scan(body, (zero,) * rules.states, (saved, d_hs), reverse=not reverse, unroll=unroll)[1]
    flat = tuple(s.reshape(-1, s.shape[-1]) for s in saved)
    return rules.late(flat, d_projected.reshape(-1, d_projected.shape[-1])), d_projected


late_dw.defvjp(_late_dw_forward, _late_dw_back)
