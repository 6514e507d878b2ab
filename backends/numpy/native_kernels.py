"""Layers whose loop over time is C of our own, ``native_kernels.c``, with its recurrent matrix packed once per pass.

The loops release the interpreter's lock, so that each part of a batch can have its own thread. Float32 only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backends.job import Array, Cell, Parameters
from backends.numpy import cells
from backends.numpy.layers import Layer
from backends.numpy.native_library import described, library
from backends.numpy.trainer import KernelsTrainer

#: Names of the kernels that this process has called.
CALLED: set[str] = set()


class Packed:
    """A matrix in the order in which the kernels read it, filled anew before each pass.

    Its element (k, gate, unit) is that of row k and column gate·H + unit of a matrix W, or of its transpose.
    """

    def __init__(self, rows: int, units: int, gates: int) -> None:
        self.sizes = rows, units, gates
        self.array = np.zeros(library().packed_size(*self.sizes), np.float32)

    def fill(self, W: Array, transposed: bool = False) -> Packed:
        """Pack W (rows, gates·units), or its transpose. W is a view into the parameters, its rows contiguous."""
        by_row, by_column = (each // W.itemsize for each in W.strides)
        by_k, by_unit = (by_column, by_row) if transposed else (by_row, by_column)
        library().pack(W.ctypes.data, *self.sizes, by_k, by_unit, self.array.ctypes.data)
        return self


class Native(Layer):
    """What the cells below share: packed matrices, and calls of the kernels."""

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.packed = Packed(self.H, self.H, self.gates)
        self.packed_backward = Packed(self.gates * self.H, self.H, 1)
        self.from_zero = True

    def start_after(self, before: Layer | None) -> None:
        """As ``Layer.start_after``; the first product of a zero state need not be computed."""
        super().start_after(before)
        self.from_zero = before is None

    def lay_out(self, W_hh: Array) -> None:
        """W_hh transposed, packed."""
        self.packed.fill(W_hh, transposed=True)

    def call_forward(self, kernel: str, *arrays: Array | Packed) -> None:
        """As ``call``; kernels of a forward pass also want to know whether it starts from a zero state."""
        self.call(kernel, *arrays, options=[self.from_zero])

    def call(self, kernel: str, *arrays: Array | Packed, options: Sequence[bool] = ()) -> None:
        """Call a kernel with the layer's sizes, ``options`` and these arrays.

        Raises:
            MemoryError: it finds none for its scratch space.
        """
        addresses = [(each.array if isinstance(each, Packed) else each).ctypes.data for each in arrays]
        CALLED.add(kernel)
        if getattr(library(), kernel)(self.T, self.B, self.H, *options, *addresses):
            raise MemoryError(f"no memory for the scratch space of {kernel}")


class Rnn(Native, cells.Rnn):
    """The plain recurrent network."""

    def forward_loop(self) -> None:
        """All steps in one call."""
        self.call_forward("rnn_forward", self.packed, self.a, self.hs)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one call."""
        W = self.packed_backward.fill(self.p["W_hh"])
        self.call("rnn_backward", W, np.ascontiguousarray(d_hs), self.hs, self.da)


class Lstm(Native, cells.Lstm):
    """The LSTM."""

    def weights(self) -> tuple[Array, Array, Array]:
        """As they are: the kernel halves what a sigmoid gets."""
        return Layer.weights(self)

    def forward_loop(self) -> None:
        """All steps in one call."""
        self.call_forward("lstm_forward", self.packed, self.a, self.hs, self.cs, self.tanh_c)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one call."""
        W = self.packed_backward.fill(self.p["W_hh"])
        self.call("lstm_backward", W, np.ascontiguousarray(d_hs), self.a, self.da, self.cs, self.tanh_c)


class Gru(Native, cells.Gru):
    """The GRU."""

    def forward_loop(self) -> None:
        """All steps in one call."""
        self.call_forward("gru_forward", self.packed, self.p["b_hh"], self.a, self.hs, self.u_n)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one call."""
        W, d_hs = self.packed_backward.fill(self.p["W_hh"]), np.ascontiguousarray(d_hs)
        self.call("gru_backward", W, d_hs, self.a, self.da, self.da_h, self.hs, self.u_n)


class GruResetBefore(Native, cells.GruResetBefore):
    """The GRU that resets before the product: a matrix for r and z, and one for n, whose product waits for r."""

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.packed, self.packed_backward = Packed(self.H, self.H, 2), Packed(2 * self.H, self.H, 1)
        self.packed_n, self.packed_n_backward = Packed(self.H, self.H, 1), Packed(self.H, self.H, 1)

    def lay_out(self, W_hh: Array) -> None:
        """Both transposed, packed."""
        self.packed.fill(W_hh[: 2 * self.H], transposed=True)
        self.packed_n.fill(W_hh[2 * self.H :], transposed=True)

    def forward_loop(self) -> None:
        """All steps in one call."""
        self.call_forward("gru_reset_before_forward", self.packed, self.packed_n, self.a, self.hs, self.rh)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one call."""
        W_rz = self.packed_backward.fill(self.p["W_hh"][: 2 * self.H])
        W_n = self.packed_n_backward.fill(self.p["W_hh"][2 * self.H :])
        self.call("gru_reset_before_backward", W_rz, W_n, np.ascontiguousarray(d_hs), self.a, self.da, self.hs)


LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}


class NativeTrainer(KernelsTrainer):
    """A trainer that says which compiler made the kernels that it called."""

    def loop(self) -> str:
        """The kernels' compiler, if any of them has been called."""
        return f"C loop ({described()})" if CALLED else "no kernel called"
