"""A cell's loop over time, with a backward pass by autodiff or one written by hand.

Both map the projected input (T, B, G·H) to one direction's hidden states (T, B, H). Variants take one step per turn of
the loop unless they say otherwise: on the CPU ``unroll`` of 2 and 4 gained nothing, 8 cost up to twice the time.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.cells import CELLS, State, Tensor, Tensors
from backends.job import Cell


def _run(cell: Cell, reverse: bool, unroll: int, p: Tensors, projected: Tensor) -> tuple[Tensor, State]:
    """Hidden states (T, B, H) from a zero state, and what the backward pass needs, stacked over time."""
    rules = CELLS[cell]

    def body(state: State, a: Tensor) -> tuple[State, tuple[Tensor, State]]:
        state, saved = rules.forward(p, a, state)
        return state, (state[0], saved)

    stacked: tuple[Tensor, State] = lax.scan(
        body, _zero(cell, p, projected), projected, reverse=reverse, unroll=unroll
    )[1]
    return stacked


def states(unroll: int, cell: Cell, reverse: bool, p: Tensors, projected: Tensor) -> Tensor:
    """Hidden states (T, B, H) alone, for a prediction: nothing is kept for a backward pass."""

    def body(state: State, a: Tensor) -> tuple[State, Tensor]:
        state, _ = CELLS[cell].forward(p, a, state)
        return state, state[0]

    return lax.scan(body, _zero(cell, p, projected), projected, reverse=reverse, unroll=unroll)[1]


def final_state(unroll: int, cell: Cell, reverse: bool, p: Tensors, projected: Tensor) -> Tensor:
    """The hidden state (1, B, H) after the step that is read last: no other one is written to memory."""

    def body(state: State, a: Tensor) -> tuple[State, None]:
        return CELLS[cell].forward(p, a, state)[0], None

    return lax.scan(body, _zero(cell, p, projected), projected, reverse=reverse, unroll=unroll)[0][0][None]


def _zero(cell: Cell, p: Tensors, projected: Tensor) -> State:
    """The state before the first step."""
    zero = jnp.zeros((projected.shape[1], p["W_hh"].shape[1]), projected.dtype)
    return (zero,) * CELLS[cell].states


def scan(cell: Cell, reverse: bool, p: Tensors, projected: Tensor) -> Tensor:
    """``lax.scan``. Autodiff sums dW_hh inside its backward loop: a small GEMM and a pass over dW_hh at every step."""
    return _run(cell, reverse, 1, p, projected)[0]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def deferred_dw(unroll: int, cell: Cell, reverse: bool, p: Tensors, projected: Tensor) -> Tensor:
    """The same scan; its backward pass stacks da, so that dW_hh is one GEMM over T·B rows after the loop."""
    return _run(cell, reverse, unroll, p, projected)[0]


def _deferred_dw_forward(
    unroll: int, cell: Cell, reverse: bool, p: Tensors, projected: Tensor
) -> tuple[Tensor, tuple[Tensors, State]]:
    hs, saved = _run(cell, reverse, unroll, p, projected)
    return hs, (p, saved)


def _deferred_dw_backward(
    unroll: int, cell: Cell, reverse: bool, residuals: tuple[Tensors, State], d_hs: Tensor
) -> tuple[Tensors, Tensor]:
    rules, (p, saved) = CELLS[cell], residuals

    def body(d_state: State, at: tuple[State, Tensor]) -> tuple[State, Tensor]:
        kept, dh = at
        da, d_state = rules.backward(p, kept, (d_state[0] + dh, *d_state[1:]))
        return d_state, da

    zero = jnp.zeros_like(d_hs[0])
    d_projected = lax.scan(body, (zero,) * rules.states, (saved, d_hs), reverse=not reverse, unroll=unroll)[1]
    flat = tuple(s.reshape(-1, s.shape[-1]) for s in saved)
    return rules.weight_gradients(flat, d_projected.reshape(-1, d_projected.shape[-1])), d_projected


deferred_dw.defvjp(_deferred_dw_forward, _deferred_dw_backward)
