"""A cell's loop over time with its backward pass written by hand, made for XLA.

The gradient that TensorFlow derives for a while loop adds to U's gradient at every step, and XLA then copies the saved
sequences at every step: the time grows with T². Here the backward pass is a second loop that only stores each step's
gradients; U's gradient is one matrix product after it.
"""

from __future__ import annotations

import tensorflow as tf

from backends.job import Cell
from backends.tensorflow.cells import CELLS, State

Arrays = tuple[tf.TensorArray, ...]


def recurrence(cell: Cell, a: tf.Tensor, U: tf.Tensor, b_hh: tf.Tensor) -> tf.Tensor:
    """Hidden states (T, B, H) from a zero state.

    Args:
        cell: whose equations.
        a: the projected input of all steps, (T, B, G·H).
        U: recurrent weights, (H, G·H).
        b_hh: the bias added to the recurrent product, (G·H,).
    """

    def computed(a: tf.Tensor, U: tf.Tensor, b_hh: tf.Tensor) -> tuple[tf.Tensor, object]:
        loop = Loop(cell, a, U, b_hh)
        return loop.forward(), loop.backward

    return tf.custom_gradient(computed)(a, U, b_hh)


def forward_only(cell: Cell, a: tf.Tensor, U: tf.Tensor, b_hh: tf.Tensor, every: bool) -> tf.Tensor:
    """Hidden states (T, B, H), or only the last (1, B, H), with nothing kept for a backward pass.

    Arguments as in ``recurrence``.
    """
    return Loop(cell, a, U, b_hh).forward_only(every)


class Loop:
    """The recurrence of one layer and direction: ``forward``, then ``backward``. Arguments as in ``recurrence``."""

    def __init__(self, cell: Cell, a: tf.Tensor, U: tf.Tensor, b_hh: tf.Tensor) -> None:
        rules = CELLS[cell]
        (self.T, self.B, _), self.H = a.shape, U.shape[0]
        self.step, self.a = rules.step, a
        self.widths = [gates * self.H for gates in rules.blocks]
        self.U, self.b = tf.split(U, self.widths, axis=1), tf.split(b_hh, self.widths)
        self.zeros: State = (tf.zeros((self.B, self.H), a.dtype),) * rules.states

    def forward(self) -> tf.Tensor:
        """Hidden states (T, B, H). Saves every step's state and products for the backward pass."""
        a = _sequence(self.a)

        def body(t: tf.Tensor, state: State, states: Arrays, products: Arrays) -> tuple[object, ...]:
            product = Products(self.U, self.b)
            state = self.step(a.read(t), state, product)
            return t + 1, state, _write(states, t, state), _write(products, t, tuple(product.made))

        start = 0, self.zeros, tuple(self._empty(self.H) for _ in self.zeros), self._empty_products()
        loop = tf.while_loop(lambda t, *_: t < self.T, body, start, maximum_iterations=self.T)
        self.states, self.products = _stacked(loop[2]), _stacked(loop[3])
        return self.states[0]

    def forward_only(self, every: bool) -> tf.Tensor:
        """Hidden states (T, B, H), or without ``every`` the last one alone, (1, B, H); saves nothing."""
        a = _sequence(self.a)

        def body(t: tf.Tensor, state: State, hs: Arrays) -> tuple[object, ...]:
            state = self.step(a.read(t), state, Products(self.U, self.b))
            return t + 1, state, _write(hs, t, state[: len(hs)])

        start = 0, self.zeros, (self._empty(self.H),) if every else ()
        _, state, hs = tf.while_loop(lambda t, *_: t < self.T, body, start, maximum_iterations=self.T)
        return hs[0].stack() if every else state[0][None]

    def backward(self, d_hs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Gradients with respect to a, U and b_hh, from the gradient with respect to the hidden states (T, B, H)."""
        before = [_sequence(tf.concat([self.zeros[0][None], s[:-1]], 0)) for s in self.states]
        products, a, d_out = [_sequence(u) for u in self.products], _sequence(self.a), _sequence(d_hs)

        def body(t: tf.Tensor, d_state: State, d_a: tf.TensorArray, lefts: Arrays, d_us: Arrays) -> tuple[object, ...]:
            state = tuple(s.read(t) for s in before)
            replayed = Replayed(self.U, [u.read(t) for u in products])
            d_state = (d_state[0] + d_out.read(t), *d_state[1:])
            d_a_t, d_state, d_u = self._step_gradients(a.read(t), state, replayed, d_state)
            lefts, d_us = _write(lefts, t, tuple(replayed.lefts)), _write(d_us, t, d_u)
            return t - 1, d_state, d_a.write(t, d_a_t), lefts, d_us

        lefts = tuple(self._empty(self.H) for _ in self.widths)
        start = self.T - 1, self.zeros, self._empty(self.a.shape[2]), lefts, self._empty_products()
        loop = tf.while_loop(lambda t, *_: t >= 0, body, start, maximum_iterations=self.T)
        return loop[2].stack(), *self._weight_gradients(_stacked(loop[3]), _stacked(loop[4]))

    def _step_gradients(
        self, a: tf.Tensor, state: State, product: Replayed, d_after: State
    ) -> tuple[tf.Tensor, State, State]:
        """One step backwards: gradients with respect to its a, to the state before it, and to each of its products."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((a, state))
            after = self.step(a, state, product)
        gradients: tuple[tf.Tensor, State, State] = tape.gradient(
            after, (a, state, tuple(product.made)), output_gradients=d_after
        )
        return gradients

    def _weight_gradients(self, lefts: list[tf.Tensor], d_us: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Of u = left·U_k + b_k over all T·B rows at once: U_k's gradient is leftᵀ·d_u, b_k's the sum of d_u."""
        rows = self.T * self.B
        flat_d_us = [tf.reshape(d_u, (rows, -1)) for d_u in d_us]
        flat_lefts = [tf.reshape(left, (rows, self.H)) for left in lefts]
        d_Us = [tf.matmul(left, d_u, transpose_a=True) for left, d_u in zip(flat_lefts, flat_d_us, strict=True)]
        return tf.concat(d_Us, axis=1), tf.reduce_sum(tf.concat(flat_d_us, axis=1), 0)

    def _empty(self, width: int) -> tf.TensorArray:
        """Room for (B, width) at every step."""
        return tf.TensorArray(self.a.dtype, self.T, element_shape=(self.B, width))

    def _empty_products(self) -> Arrays:
        return tuple(self._empty(width) for width in self.widths)


class Products:
    """``product(k, left)`` = left·U_k + b_k of one step, each kept in ``made``."""

    def __init__(self, U: list[tf.Tensor], b: list[tf.Tensor]) -> None:
        self.U, self.b = U, b
        self.made: list[tf.Tensor] = []

    def __call__(self, k: int, left: tf.Tensor) -> tf.Tensor:
        """Compute the product, and keep it."""
        self.made.append(left @ self.U[k] + self.b[k])
        return self.made[-1]


class Replayed:
    """The products of a step that was computed before: their saved values, with their gradient
    with respect to ``left``.

    ``lefts`` and ``made`` hold the left sides and the products in the order in which the step asked for them.
    """

    def __init__(self, U: list[tf.Tensor], saved: list[tf.Tensor]) -> None:
        self.U, self.saved = U, saved
        self.lefts: list[tf.Tensor] = []
        self.made: list[tf.Tensor] = []

    def __call__(self, k: int, left: tf.Tensor) -> tf.Tensor:
        """The saved value, which depends on ``left``: d_left = d_u·U_kᵀ."""

        def saved(_: tf.Tensor) -> tuple[tf.Tensor, object]:
            return self.saved[k], lambda d_u: tf.matmul(d_u, self.U[k], transpose_b=True)

        self.lefts.append(left)
        self.made.append(tf.custom_gradient(saved)(left))
        return self.made[-1]


def _sequence(values: tf.Tensor) -> tf.TensorArray:
    """values (T, …) to be read step by step."""
    return tf.TensorArray(values.dtype, values.shape[0], element_shape=values.shape[1:]).unstack(values)


def _write(arrays: Arrays, t: tf.Tensor, values: State) -> Arrays:
    return tuple(array.write(t, value) for array, value in zip(arrays, values, strict=True))


def _stacked(arrays: Arrays) -> list[tf.Tensor]:
    return [array.stack() for array in arrays]
