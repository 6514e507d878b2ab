"""The equations of one step of each cell, for autograd.

A cell takes the layer's weights, by their canonical names, and gives a step: from the projected input a (B, G·H) and
the state to the next state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from backends.job import Cell

Weights = dict[str, Tensor]
State = tuple[Tensor, ...]
"""The hidden state h (B, H) first; the LSTM's cell state c second."""
Step = Callable[[Tensor, State], State]


def rnn(p: Weights) -> Step:
    """h' = tanh(a + U h)."""
    U = p["W_hh"].t()

    def step(a: Tensor, state: State) -> State:
        (h,) = state
        return (torch.tanh(torch.addmm(a, h, U)),)

    return step


def lstm(p: Weights) -> Step:
    """c' = σ(f) ∘ c + σ(i) ∘ tanh(g); h' = σ(o) ∘ tanh(c')."""
    U = p["W_hh"].t()

    def step(a: Tensor, state: State) -> State:
        h, c = state
        i, f, g, o = torch.addmm(a, h, U).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    return step


def gru(p: Weights) -> Step:
    """Reset after the recurrent product: n = tanh(a_n + r ∘ (U_n h + b_hn)); h' = (1 − z) ∘ n + z ∘ h."""
    U, b_hh = p["W_hh"].t(), p["b_hh"]
    H = U.shape[0]

    def step(a: Tensor, state: State) -> State:
        (h,) = state
        u = torch.addmm(b_hh, h, U)
        r, z = torch.sigmoid(a[:, : 2 * H] + u[:, : 2 * H]).chunk(2, dim=1)
        n = torch.tanh(a[:, 2 * H :] + r * u[:, 2 * H :])
        return (n + z * (h - n),)

    return step


def gru_reset_before(p: Weights) -> Step:
    """Reset before the recurrent product: n = tanh(a_n + U_n (r ∘ h)); h' = (1 − z) ∘ h + z ∘ n."""
    H = p["W_hh"].shape[1]
    U_rz, U_n = p["W_hh"][: 2 * H].t(), p["W_hh"][2 * H :].t()

    def step(a: Tensor, state: State) -> State:
        (h,) = state
        r, z = torch.sigmoid(torch.addmm(a[:, : 2 * H], h, U_rz)).chunk(2, dim=1)
        n = torch.tanh(torch.addmm(a[:, 2 * H :], r * h, U_n))
        return (h + z * (n - h),)

    return step


class CellRules(NamedTuple):
    """A cell: its step, given its weights, and the number of arrays in its state."""

    step: Callable[[Weights], Step]
    states: int = 1


CELLS: dict[Cell, CellRules] = {
    "rnn": CellRules(rnn),
    "lstm": CellRules(lstm, states=2),
    "gru": CellRules(gru),
    "gru-reset-before": CellRules(gru_reset_before),
}
