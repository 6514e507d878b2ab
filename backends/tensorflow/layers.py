"""One recurrent layer in one direction: Keras's own, the fused LSTM operator, and a loop made for XLA.

A layer maps a sequence to its hidden states, or to the final one only. It keeps its weights as Keras does (see
``backends.keras_layout``) and computes in the type of x, whatever that of its weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import keras
import tensorflow as tf

from backends.base import Unsupported
from backends.job import Array, Cell
from backends.keras_layout import keras_layer
from backends.tensorflow.recurrence import forward_only, recurrence


class Layer(ABC):
    """One layer and direction.

    Constructed with the cell, its own arrays (kernel, recurrent kernel, bias), whether it reads the sequence in
    reverse, whether its hidden states are wanted at every step, and the type in which it computes.

    Attributes:
        time_first: whether x is (T, B, D) and the hidden states (T, B, H); otherwise batches come first.
        xla: whether XLA compiles the training step around it.
        variables: kernel, recurrent kernel, bias.
    """

    time_first: ClassVar[bool] = True
    xla: ClassVar[bool] = False
    variables: list[tf.Variable]

    @abstractmethod
    def __init__(self, cell: Cell, own: list[Array], reverse: bool, every: bool, dtype: str) -> None: ...

    @abstractmethod
    def __call__(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """Hidden states at every step, in the order of time, or the final one (B, H)."""

    def predict(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """The same, where no backward pass follows."""
        return self(x, lengths)


class StockLayer(Layer):
    """``SimpleRNN``, ``LSTM`` or ``GRU`` of Keras: x (B, T, D) to (B, T, H), or to (B, H)."""

    time_first = False
    unroll = False

    def __init__(self, cell: Cell, own: list[Array], reverse: bool, every: bool, dtype: str) -> None:
        if keras.backend.backend() != "tensorflow":
            raise Unsupported(f"Keras computes with {keras.backend.backend()}; set KERAS_BACKEND=tensorflow")
        self.flips = reverse and every
        width, hidden = own[0].shape[0], own[1].shape[0]
        policy = dtype if dtype == own[0].dtype.name else f"mixed_{dtype}"
        self.layer = keras_layer(
            cell, hidden, return_sequences=every, go_backwards=reverse, unroll=self.unroll, dtype=policy
        )
        self.layer.build((None, None, width))
        self.layer.set_weights(own)
        self.variables = [variable.value for variable in self.layer.trainable_variables]

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """With lengths, under a mask: where it is False Keras keeps the state, so that reading in reverse begins at
        each sequence's own last step."""
        hs = self.layer(x) if lengths is None else self.layer(x, mask=tf.sequence_mask(lengths, x.shape[1]))
        return tf.reverse(hs, [1]) if self.flips else hs


class UnrolledLayer(StockLayer):
    """The same with ``unroll=True``: the operators of every step in the graph, without a loop."""

    unroll = True


class OwnLayer(Layer):
    """A layer written here: x (T, B, D) to (T, B, H), or to (B, H)."""

    def __init__(self, cell: Cell, own: list[Array], reverse: bool, every: bool, dtype: str) -> None:
        del dtype  # that of x
        self.cell, self.reverse, self.every = cell, reverse, every
        self.variables = [tf.Variable(array) for array in own]

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """Reversed in time before and after, where the layer reads the sequence in reverse."""
        return self._in_time(self.states, x, lengths)

    def _in_time(self, states: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
        hs = states(_reversed(x, lengths) if self.reverse else x)
        if not self.every:
            return hs[-1] if lengths is None else _ends(hs, lengths)
        return _reversed(hs, lengths) if self.reverse else hs

    @abstractmethod
    def states(self, x: tf.Tensor) -> tf.Tensor:
        """Hidden states (T, B, H) of x (T, B, D), in the order in which the layer reads it."""


def _reversed(x: tf.Tensor, lengths: tf.Tensor | None) -> tf.Tensor:
    """x (T, B, …) reversed in time, each sequence within its own length; padding stays in place."""
    return tf.reverse(x, [0]) if lengths is None else tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)


def _ends(hs: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """hs (T, B, H) at each sequence's own last step, as a product with one-hot rows: its gradient needs no scatter."""
    return tf.einsum("tbh,bt->bh", hs, tf.one_hot(lengths - 1, hs.shape[0], dtype=hs.dtype))


class BlockLayer(OwnLayer):
    """``BlockLSTM``: the whole sequence in one operator, in the forward and in the backward pass.

    Not ``BlockLSTMV2``, which is silently wrong in TensorFlow 2.21: its gates are in the order i, f, g, o, but the
    gradient registered for it is that of ``BlockLSTM``, whose order is i, g, f, o.
    """

    def states(self, x: tf.Tensor) -> tf.Tensor:
        """In one operator, without peepholes."""
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
    """One matrix product for the input projection of all steps, then ``recurrence``."""

    xla = True

    def states(self, x: tf.Tensor) -> tf.Tensor:
        """In a loop over the projected input."""
        return recurrence(self.cell, *self._projected(x))

    def predict(self, x: tf.Tensor, lengths: tf.Tensor | None = None) -> tf.Tensor:
        """By a loop that keeps nothing for a backward pass, and of the states no more than the one that is wanted."""
        every = self.every or lengths is not None
        return self._in_time(lambda x: forward_only(self.cell, *self._projected(x), every), x, lengths)

    def _projected(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The projected input (T, B, G·H), the recurrent weights and the bias of the recurrent product."""
        W, U, bias = (tf.cast(variable, x.dtype) for variable in self.variables)
        b, b_hh = tf.unstack(bias) if self.cell == "gru" else (bias, tf.zeros_like(bias))
        return tf.tensordot(x, W, 1) + b, tf.convert_to_tensor(U), b_hh
