"""The equations of one time step of each cell.

A step maps the projected input a (B, G·H) and the state before it to the state after it. The state is a tuple: the
hidden state h (B, H) first, then the LSTM's cell state c (B, H). ``product(k, left)`` is left·U_k + b_hh,k with the
k-th block of the recurrent weights U: the recurrence decides how it is computed.

Gates are in Keras's order: i, f, g, o in the LSTM; z, r, n in the GRUs, whose z keeps the old state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from backends.job import Cell

State = tuple[tf.Tensor, ...]
Product = Callable[[int, tf.Tensor], tf.Tensor]


def rnn(a: tf.Tensor, state: State, product: Product) -> State:
    """h' = tanh(a + U h)."""
    (h,) = state
    return (tf.tanh(a + product(0, h)),)


def lstm(a: tf.Tensor, state: State, product: Product) -> State:
    """c' = σ(f) ∘ c + σ(i) ∘ tanh(g), h' = σ(o) ∘ tanh(c')."""
    h, c = state
    i, f, g, o = tf.split(a + product(0, h), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def gru(a: tf.Tensor, state: State, product: Product) -> State:
    """Reset after the recurrent product: n = tanh(a_n + r ∘ (U_n h + b_n)), h' = (1 − z) ∘ n + z ∘ h."""
    (h,) = state
    (a_z, a_r, a_n), (u_z, u_r, u_n) = tf.split(a, 3, axis=1), tf.split(product(0, h), 3, axis=1)
    z, r = tf.sigmoid(a_z + u_z), tf.sigmoid(a_r + u_r)
    n = tf.tanh(a_n + r * u_n)
    return (n + z * (h - n),)


def gru_reset_before(a: tf.Tensor, state: State, product: Product) -> State:
    """Reset before the recurrent product: n = tanh(a_n + U_n (r ∘ h)), h' = (1 − z) ∘ n + z ∘ h."""
    (h,) = state
    H = h.shape[1]
    z, r = tf.split(tf.sigmoid(a[:, : 2 * H] + product(0, h)), 2, axis=1)
    n = tf.tanh(a[:, 2 * H :] + product(1, r * h))
    return (n + z * (h - n),)


class CellRules(NamedTuple):
    """One cell.

    Attributes:
        step: its equations.
        states: how many tensors its state is.
        blocks: gates in each block of U. There is one product per block and step.
    """

    step: Callable[[tf.Tensor, State, Product], State]
    states: int
    blocks: tuple[int, ...]


CELLS: dict[Cell, CellRules] = {
    "rnn": CellRules(rnn, 1, (1,)),
    "lstm": CellRules(lstm, 2, (4,)),
    "gru": CellRules(gru, 1, (3,)),
    "gru-reset-before": CellRules(gru_reset_before, 1, (2, 1)),
}
