"""The recurrent layers: Keras's own, the fused LSTM operator, and a loop made for XLA.

A layer is one direction. It maps a sequence to its hidden states, or to the final one only.
Keras's layers take batches first, x (B, T, D), the others time first, x (T, B, D). All of them
keep their weights as Keras does (see ``convert``), and compute in the type of x, whatever that of their weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from backends.base import Unsupported
from backends.job import Array, Cell, ModelSpec
from backends.parameters import layer_names

State = tuple[tf.Tensor, ...]
Product = Callable[[int, tf.Tensor], tf.Tensor]

STOCK: dict[Cell, Callable[..., Any]] = {
    "rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "gru-reset-before": lambda *args, **kwargs: keras.layers.GRU(*args, reset_after=False, **kwargs),
}


class StockLayer:
    """``SimpleRNN``, ``LSTM`` or ``GRU`` of Keras: x (B, T, D) to (B, T, H), or to (B, H)."""

    unroll = False

    def __init__(self, cell: Cell, own: list[Array], backward: bool, every: bool, dtype: str) -> None:
        if keras.backend.backend() != "tensorflow":
            raise Unsupported(f"Keras computes with {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")
        self.flips = backward and every
        width, hidden = own[0].shape[0], own[1].shape[0]
        policy = dtype if dtype == own[0].dtype.name else f"mixed_{dtype}"
        self.layer = STOCK[cell](
            hidden, return_sequences=every, go_backwards=backward, unroll=self.unroll, dtype=policy
        )
        self.layer.build((None, None, width))
        self.layer.set_weights(own)
        self.variables: list[tf.Variable] = [variable.value for variable in self.layer.trainable_variables]

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """With lengths, by a mask: Keras keeps the state where it is False, and so begins backward at the true end."""
        hs = self.layer(x) if lengths is None else self.layer(x, mask=tf.sequence_mask(lengths, x.shape[1]))
        return tf.reverse(hs, [1]) if self.flips else hs


class UnrolledLayer(StockLayer):
    """The same with ``unroll=True``: its operators once per step, without a loop."""

    unroll = True


class OwnLayer(ABC):
    """A layer of ours: x (T, B, D) to (T, B, H), or to (B, H)."""

    def __init__(self, cell: Cell, own: list[Array], backward: bool, every: bool, dtype: str) -> None:
        del dtype  # that of x
        self.cell, self.backward, self.every = cell, backward, every
        self.variables: list[tf.Variable] = [tf.Variable(array) for array in own]

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        hs = self.states(_in_order(x, lengths) if self.backward else x)
        if not self.every:
            return hs[-1] if lengths is None else _ends(hs, lengths)
        return _in_order(hs, lengths) if self.backward else hs

    @abstractmethod
    def states(self, x: tf.Tensor) -> tf.Tensor:
        """Hidden states (T, B, H) of x (T, B, D), in the order in which the layer reads it."""


def _in_order(x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """x (T, B, …) reversed in time, each sequence within its own length, its padding left in place."""
    return tf.reverse(x, [0]) if lengths is None else tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)


def _ends(hs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """hs (T, B, H) at each sequence's own last step. A product with zeros and a one: its gradient needs no scatter."""
    return tf.einsum("tbh,bt->bh", hs, tf.one_hot(lengths - 1, hs.shape[0], dtype=hs.dtype))


class BlockLayer(OwnLayer):
    """``BlockLSTM``: the whole sequence in one operator, forward and backward.

    Not ``BlockLSTMV2``: its gates stand in the order i, f, g, o, but the gradient registered for it
    is that of ``BlockLSTM``, which has i, g, f, o: silently wrong in TensorFlow 2.21.
    """

    def states(self, x: tf.Tensor) -> tf.Tensor:
        kernel, recurrent_kernel, bias = self.variables
        hidden = recurrent_kernel.shape[0]
        zeros, no_peephole = tf.zeros((x.shape[1], hidden), x.dtype), tf.zeros(hidden, x.dtype)
        return tf.raw_ops.BlockLSTM(
            seq_len_max=tf.constant(x.shape[0], tf.int64), x=x, cs_prev=zeros, h_prev=zeros,
            w=_swap_f_g(tf.concat([kernel, recurrent_kernel], 0)), b=_swap_f_g(bias),
            wci=no_peephole, wcf=no_peephole, wco=no_peephole, forget_bias=0.0, cell_clip=-1.0,
        ).h  # fmt: skip


def _swap_f_g(columns: tf.Tensor) -> tf.Tensor:
    """Gates i, f, g, o to i, g, f, o."""
    i, f, g, o = tf.split(columns, 4, axis=-1)
    return tf.concat([i, g, f, o], axis=-1)


class LoopLayer(OwnLayer):
    """One GEMM for the input projection of all steps, then ``recurrence``."""

    def states(self, x: tf.Tensor) -> tf.Tensor:
        W, U, bias = (tf.cast(variable, x.dtype) for variable in self.variables)
        b, b_hh = tf.unstack(bias) if self.cell == "gru" else (bias, tf.zeros_like(bias))
        return recurrence(self.cell)(tf.tensordot(x, W, 1) + b, tf.convert_to_tensor(U), b_hh)


# -- one step of each cell -----------------------------------------------------------------------
# a (B, G·H) is the projected input. ``product(k, left)`` is left·U_k + b_hh,k with the k-th block of U.


def rnn(a: tf.Tensor, state: State, product: Product) -> State:
    (h,) = state
    return (tf.tanh(a + product(0, h)),)


def lstm(a: tf.Tensor, state: State, product: Product) -> State:
    h, c = state
    i, f, g, o = tf.split(a + product(0, h), 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def gru(a: tf.Tensor, state: State, product: Product) -> State:
    (h,) = state
    (a_z, a_r, a_n), (u_z, u_r, u_n) = tf.split(a, 3, axis=1), tf.split(product(0, h), 3, axis=1)
    z, r = tf.sigmoid(a_z + u_z), tf.sigmoid(a_r + u_r)
    n = tf.tanh(a_n + r * u_n)
    return (n + z * (h - n),)


def gru_reset_before(a: tf.Tensor, state: State, product: Product) -> State:
    (h,) = state
    H = h.shape[1]
    z, r = tf.split(tf.sigmoid(a[:, : 2 * H] + product(0, h)), 2, axis=1)
    n = tf.tanh(a[:, 2 * H :] + product(1, r * h))
    return (n + z * (h - n),)


class Rules(NamedTuple):
    step: Callable[[tf.Tensor, State, Product], State]
    states: int
    blocks: tuple[int, ...]  # gates in each block of U, one block per product


RULES: dict[Cell, Rules] = {
    "rnn": Rules(rnn, 1, (1,)),
    "lstm": Rules(lstm, 2, (4,)),
    "gru": Rules(gru, 1, (3,)),
    "gru-reset-before": Rules(gru_reset_before, 1, (2, 1)),
}


# -- the loop over time --------------------------------------------------------------------------


def recurrence(cell: Cell) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """a (T, B, G·H), U (H, G·H) and b_hh (G·H,) to the hidden states (T, B, H) from a zero state.

    Its gradient is written out. TensorFlow's own adds to U's gradient at every step, and XLA
    then copies the saved sequences at every step: the time grows with T². Here the way back is
    a loop like the way there, and U's gradient one GEMM after it.
    """
    rules = RULES[cell]

    def forward(a: tf.Tensor, U: tf.Tensor, b_hh: tf.Tensor) -> tuple[tf.Tensor, Any]:
        (T, B, _), H = a.shape, U.shape[0]
        widths = [gates * H for gates in rules.blocks]
        Us, bs = tf.split(U, widths, axis=1), tf.split(b_hh, widths)
        zeros = (tf.zeros((B, H), a.dtype),) * rules.states
        projected = _sequence(a)

        def there(t: tf.Tensor, state: State, kept: State, us: State) -> tuple[Any, ...]:
            made: list[tf.Tensor] = []

            def product(k: int, left: tf.Tensor) -> tf.Tensor:
                made.append(left @ Us[k] + bs[k])
                return made[-1]

            state = rules.step(projected.read(t), state, product)
            return t + 1, state, _write(kept, t, state), _write(us, t, tuple(made))

        empty = tuple(_room(T, B, H, a) for _ in zeros), tuple(_room(T, B, width, a) for width in widths)
        _, _, kept, us = tf.while_loop(lambda t, *_: t < T, there, (0, zeros, *empty), maximum_iterations=T)
        states, products = [sequence.stack() for sequence in kept], [u.stack() for u in us]

        def backward(d_hs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            before = tuple(_sequence(tf.concat([zeros[0][None], s[:-1]], 0)) for s in states)
            saved, projected, d_out = [_sequence(u) for u in products], _sequence(a), _sequence(d_hs)

            def back(t: tf.Tensor, d_state: State, d_a: Any, lefts: State, d_us: State) -> tuple[Any, ...]:
                a_t, state = projected.read(t), tuple(s.read(t) for s in before)
                made: list[tuple[tf.Tensor, tf.Tensor]] = []

                def product(k: int, left: tf.Tensor) -> tf.Tensor:
                    made.append((left, _replayed(left, saved[k].read(t), Us[k])))
                    return made[-1][1]

                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch((a_t, state))
                    after = rules.step(a_t, state, product)
                d_after = (d_state[0] + d_out.read(t), *d_state[1:])
                sources = (a_t, state, tuple(u for _, u in made))
                d_at, d_state, d_u = tape.gradient(after, sources, output_gradients=d_after)
                left = tuple(left for left, _ in made)
                return t - 1, d_state, d_a.write(t, d_at), _write(lefts, t, left), _write(d_us, t, d_u)

            room = (
                _room(T, B, a.shape[2], a),
                tuple(_room(T, B, H, a) for _ in widths),
                tuple(_room(T, B, width, a) for width in widths),
            )
            start = (T - 1, zeros, *room)
            _, _, d_a, lefts, d_us = tf.while_loop(lambda t, *_: t >= 0, back, start, maximum_iterations=T)
            d_flat = [tf.reshape(d_u.stack(), (T * B, -1)) for d_u in d_us]
            flat = [tf.reshape(left.stack(), (T * B, H)) for left in lefts]
            d_U = tf.concat([tf.matmul(h, d, transpose_a=True) for h, d in zip(flat, d_flat, strict=True)], axis=1)
            return d_a.stack(), d_U, tf.reduce_sum(tf.concat(d_flat, axis=1), 0)

        return states[0], backward

    return tf.custom_gradient(forward)  # type: ignore[no-any-return]


def _replayed(left: tf.Tensor, u: tf.Tensor, U: tf.Tensor) -> tf.Tensor:
    """The product left·U + b kept from the way there: not computed again, but with its gradient by ``left``."""
    return tf.custom_gradient(lambda _: (u, lambda d_u: tf.matmul(d_u, U, transpose_b=True)))(left)


def _sequence(values: tf.Tensor) -> tf.TensorArray:
    """values (T, …) to be read step by step."""
    return tf.TensorArray(values.dtype, values.shape[0], element_shape=values.shape[1:]).unstack(values)


def _room(T: int, B: int, width: int, like: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(like.dtype, T, element_shape=(B, width))


def _write(arrays: State, t: tf.Tensor, values: State) -> State:
    return tuple(array.write(t, value) for array, value in zip(arrays, values, strict=True))


LAYERS: dict[str, Callable[[Cell, list[Array], bool, bool, str], Any]] = {
    "keras": StockLayer,
    "keras-halves": StockLayer,
    "keras-unrolled": UnrolledLayer,
    "block": BlockLayer,
    "block-halves": BlockLayer,
    "xla": LoopLayer,
    "chunk": LoopLayer,
}


class Network:
    """Recurrent layers, which compute in ``dtype``, and the linear readout, which does in that of its parameters.

    x to (B, outputs), or to (B, T, outputs) in the layout of x.
    """

    def __init__(self, model: ModelSpec, variant: str, own: dict[str, list[Array]], dtype: str) -> None:
        self.dtype = dtype
        self.layers: dict[str, Any] = {}
        self.parts = 2 if variant.endswith("-halves") else 1
        self.batch_axis = 0 if variant.startswith("keras") else 1
        for index, backward, prefix in layer_names(model):
            every = model.readout == "every" or index < model.layers - 1
            self.layers[prefix] = LAYERS[variant](model.cell, own[prefix], backward, every, dtype)
        self.head: list[tf.Variable] = [tf.Variable(array) for array in own["head"]]
        self.model = model

    @property
    def variables(self) -> list[tf.Variable]:
        return [variable for layer in self.layers.values() for variable in layer.variables] + self.head

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        parts = [self.states(*part) for part in self._parts(tf.cast(x, self.dtype), lengths)]
        hs = tf.concat(parts, axis=self.batch_axis if self.model.readout == "every" else 0)
        W, b = self.head
        return tf.tensordot(tf.cast(hs, W.dtype), W, 1) + b

    def states(self, x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        """What the top layer hands to the readout."""
        hs = x
        for index in range(self.model.layers):
            names = [prefix for number, _, prefix in layer_names(self.model) if number == index]
            hs = tf.concat([self.layers[prefix](hs, lengths) for prefix in names], axis=-1)
        return hs

    def _parts(self, x: tf.Tensor, lengths: tf.Tensor | None) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
        """The batch, or its halves: nothing joins their loops, so that each finds a thread."""
        if self.parts == 1:
            return [(x, lengths)]
        batch = x.shape[self.batch_axis]
        sizes = [batch - batch // 2, batch // 2]
        own = [None, None] if lengths is None else tf.split(lengths, sizes)
        return list(zip(tf.split(x, sizes, axis=self.batch_axis), own, strict=True))
