"""A recurrent layer over time: the loops around the equations of ``backends.numpy.cells``.

One GEMM projects the input of all steps. A loop over time adds the recurrent GEMM and computes the gates in place, in
preallocated buffers. The backward loop stores the gradients of the gates, so that each weight's gradient is one GEMM
after the loop.

``xp`` is ``numpy`` or ``cupy``. Arrays are time-major: x (T, B, D), hidden states (T, B, H).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from backends import blocks
from backends.job import Array, Parameters


class Layer(ABC):
    """One layer in one direction. ``p`` and ``grads`` are views that the trainer owns.

    Subclasses are the cells; those of another module may also replace the loops.
    """

    gates: int
    input_bias = "b"
    #: For ``executed``: what the steps are called, and the function of ``xp`` that computes their recurrent product.
    steps_by = "cells"
    product_by = "matmul"

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        self.xp, self.p, self.grads = xp, p, grads
        self.T, self.B, self.H = length, batch, p["W_hh"].shape[1]
        self.dtype = p["W_hh"].dtype
        self.a = self.buffer(length, batch, self.gates * self.H)  # pre-activations, then gates
        self.da = self.buffer(length, batch, self.gates * self.H)  # gradients of the pre-activations
        self.hs = self.buffer(length + 1, batch, self.H)  # hs[t] enters step t
        self.dh = self.buffer(batch, self.H)
        self.product = self.buffer(batch, self.gates * self.H)
        self.scratch = self.buffer(batch, self.H)

    def buffer(self, *shape: int) -> Array:
        """Zeros of this shape, on the device and of the parameters' type."""
        array: Array = self.xp.zeros(shape, self.dtype)
        return array

    def forward(self, x: Array) -> Array:
        """Hidden states (T, B, H) for x (T, B, D), from a zero state. A view: valid until the next call."""
        self.x = x
        self.read_weights()
        return self.advance(x)

    def predict(self, x: Array, end_alone: bool) -> Array:
        """As ``forward``, with nothing kept for a backward pass; with ``end_alone`` the last state, (1, B, H).

        It goes block by block, each a short layer whose buffers stay in the cache. A GPU has no such cache.
        """
        if self.xp is not np:
            return self.forward(x)
        start, before, read = 0, None, set[int]()
        for block in self.blocks:
            if block.T not in read:
                block.read_weights()
                read.add(block.T)
            block.start_after(before)
            hs, stop = block.advance(x[start : start + block.T]), start + block.T
            if not end_alone:
                self.hs[1 + start : 1 + stop] = hs
            start, before = stop, block
        return block.hs[-1:] if end_alone else self.hs[1:]

    @cached_property
    def blocks(self) -> list[Layer]:
        """Short layers that one after the other are as long as this one: one again and again, and one for the rest."""
        size = min(self.T, blocks.steps(self.B, self.H, self.dtype.itemsize))
        number, rest = divmod(self.T, size)
        found = [self._short(size)] * number
        return [*found, self._short(rest)] if rest else found

    def _short(self, steps: int) -> Layer:
        return type(self)(self.xp, self.p, self.grads, steps, self.B)

    def start_after(self, before: Layer | None) -> None:
        """Begin at the state where ``before`` ended, or at zero."""
        for own, other in zip(self.states(), before.states() if before else self.states(), strict=True):
            own[0] = other[-1] if before else 0

    def states(self) -> tuple[Array, ...]:
        """What a step reads of the one before, each (T + 1, B, H)."""
        return (self.hs,)

    def read_weights(self) -> None:
        """Bring the weights into the layout of the forward pass."""
        W_ih, W_hh, self.b = self.weights()
        self.W = W_ih.T
        self.lay_out(W_hh)

    def advance(self, x: Array) -> Array:
        """Hidden states (T, B, H) for x (T, B, D), from the state in row 0 of ``states``."""
        self.xp.matmul(flat(x), self.W, out=flat(self.a))
        self.a += self.b
        self.forward_loop()
        return self.hs[1:]

    def weights(self) -> tuple[Array, Array, Array]:
        """W_ih, W_hh and the bias as the forward pass wants them."""
        return self.p["W_ih"], self.p["W_hh"], self.p[self.input_bias]

    def lay_out(self, W_hh: Array) -> None:
        """Lay out the recurrent matrix as the forward loop reads it."""
        self.U = self.xp.ascontiguousarray(W_hh.T)  # cheap beside the T products that read it, which gain a third

    def forward_loop(self) -> None:
        """All steps: from ``a``, which holds the projected input, to ``hs``."""
        for t in range(self.T):
            self.step(t)

    def backward(self, d_hs: Array, d_x_wanted: bool) -> Array | None:
        """Fill ``grads`` from the gradients of the hidden states (T, B, H); return that of x (T, B, D) if wanted."""
        self.dh[:] = 0
        self.start_backward()
        self.backward_loop(d_hs)
        da = flat(self.da)
        self.grads["W_ih"][:] = (flat(self.x).T @ da).T  # the narrow matrix first: up to three times as fast
        self.xp.sum(da, axis=0, out=self.grads[self.input_bias])
        self.recurrent_gradients()
        return (da @ self.p["W_ih"]).reshape(self.x.shape) if d_x_wanted else None

    def backward_loop(self, d_hs: Array) -> None:
        """All steps, the last one first: from the gradients of the hidden states to ``da``."""
        for t in reversed(range(self.T)):
            self.dh += d_hs[t]
            self.step_backward(t)

    def start_backward(self) -> None:  # noqa: B027 - most cells carry nothing else
        """Clear what the backward pass carries from step to step besides ``dh``."""

    @abstractmethod
    def step(self, t: int) -> None:
        """From ``a[t]``, which holds the projected input, and ``hs[t]`` to ``hs[t + 1]``."""

    @abstractmethod
    def step_backward(self, t: int) -> None:
        """From ``dh``, the gradient of ``hs[t + 1]``, to ``da[t]``; then ``dh`` is the gradient of ``hs[t]``."""

    def recurrent_gradients(self) -> None:
        """The gradient of ``W_hh``, from ``da`` and ``hs``."""
        self.xp.matmul(flat(self.da).T, flat(self.hs[:-1]), out=self.grads["W_hh"])


def flat(array: Array) -> Array:
    """(T, B, n) as (T·B, n), without copying."""
    return array.reshape(-1, array.shape[-1])
