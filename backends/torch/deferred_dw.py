"""A loop over time with a backward pass written by hand: dW_hh is deferred, and is one GEMM after the loop.

Autograd would record every operation of every step, keep the result of each, and add to the weights' gradients step by
step. Here a layer is one node of autograd's graph, and its buffers are made once. The mathematics is that of
``backends.reference``; sequences are time-major, x (T, B, D), hidden states (T, B, H).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from backends import blocks
from backends.job import Cell, ModelSpec
from backends.parameters import BIASES, layer_names
from backends.torch.layers import LoopLayers

#: grad · s(1−s) and grad · (1−y²), each in one pass, into ``grad_input``.
sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


def tanh_(a: Tensor) -> Tensor:
    """In place, as 2σ(2a) − 1: torch's own tanh takes several times as long on the CPU."""
    return a.mul_(2).sigmoid_().mul_(2).sub_(1)


class Recurrence(torch.autograd.Function):
    """One layer in one direction, as autograd sees it."""

    @staticmethod
    def forward(ctx: Any, layer: Layer, x: Tensor, *weights: Tensor) -> Tensor:
        """Hidden states of ``layer`` for x."""
        ctx.layer, ctx.d_x_wanted = layer, x.requires_grad
        return layer.forward(x, *weights)

    @staticmethod
    def backward(ctx: Any, d_hs: Tensor) -> tuple[Tensor | None, ...]:
        """The layer's gradients."""
        return None, *ctx.layer.backward(d_hs, ctx.d_x_wanted)


class Layer(ABC):
    """One layer in one direction. Its buffers, and each step's views of them, are made once."""

    gates: int

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()

    def forward(self, x: Tensor, *weights: Tensor) -> Tensor:
        """Hidden states (T, B, H) for x (T, B, D) from a zero state; ``weights`` are W_ih, W_hh and the biases.

        A view: valid until the next call.
        """
        # detached: else the saved x would keep the graph of the layers below alive until the next call
        x, W_ih, W_hh, *biases = (each.detach() for each in (x, *weights))
        if self.shape != x.shape:
            self.prepare(x, W_hh.shape[1])
        self.x, self.W_ih, self.W_hh = x, W_ih, W_hh
        self.b_hh = biases[-1]
        torch.addmm(biases[0], x.flatten(0, 1), W_ih.t(), out=self.a.flatten(0, 1))
        U = W_hh.t()
        for t in range(self.T):
            self.step(t, U)
        return self.hs[1:]

    def states(self) -> tuple[Tensor, ...]:
        """What a step reads of the one before, each (T + 1, B, H): row 0 is zero, the last is that of the last step."""
        return (self.hs,)

    def prepare(self, x: Tensor, hidden: int) -> None:
        """Make the buffers for sequences like x; step t reads hs[t] and writes hs[t + 1]."""
        self.shape = x.shape
        (self.T, self.B), self.H, self.like = x.shape[:2], hidden, x
        self.a = self.buffer(self.T, self.gates)  # the projected input, then the gates
        self.da = self.buffer(self.T, self.gates)
        self.hs = self.buffer(self.T + 1)
        self.dh, self.scratch = self.buffer(1)[0], self.buffer(1)[0]

    def buffer(self, steps: int, width: int = 1) -> Tensor:
        """Zeros (steps, B, width·H)."""
        return torch.zeros(steps, self.B, width * self.H, dtype=self.like.dtype, device=self.like.device)

    def views(self, steps: Tensor) -> list[tuple[Tensor, ...]]:
        """For each step its blocks of H columns: making a view costs as much as a small operation."""
        return [step.split(self.H, dim=1) for step in steps.unbind(0)]

    def backward(self, d_hs: Tensor, d_x_wanted: bool) -> tuple[Tensor | None, ...]:
        """Gradients of x (None if not wanted), W_ih, W_hh and the biases, from those of the hidden states (T, B, H)."""
        self.dh.zero_()
        self.start_backward()
        for t, d_h in zip(reversed(range(self.T)), reversed(d_hs.unbind(0)), strict=True):
            self.dh += d_h
            self.step_backward(t)
        da, before = self.da.flatten(0, 1), self.hs[:-1].flatten(0, 1)
        d_W = (self.x.flatten(0, 1).t() @ da).t()  # the narrow matrix first: up to three times as fast
        return self.d_x(da) if d_x_wanted else None, d_W, *self.recurrent_gradients(da, before)

    def d_x(self, da: Tensor) -> Tensor:
        """The gradient of x (T, B, D)."""
        return (da @ self.W_ih).view(self.shape)

    def recurrent_gradients(self, da: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """Gradients of W_hh and the biases, for all steps at once."""
        return da.t() @ before, da.sum(0)

    def start_backward(self) -> None:  # noqa: B027 - most cells carry nothing else
        """Clear what the backward pass carries from step to step besides ``dh``."""

    @abstractmethod
    def step(self, t: int, U: Tensor) -> None:
        """From ``a[t]``, which holds the projected input, and ``hs[t]`` to ``hs[t + 1]``; U is W_hhᵀ."""

    @abstractmethod
    def step_backward(self, t: int) -> None:
        """From ``dh``, the gradient of ``hs[t + 1]``, to ``da[t]``; then ``dh`` is the gradient of ``hs[t]``."""


class Rnn(Layer):
    """h' = tanh(a + U h), the plain recurrent network."""

    gates = 1

    def step(self, t: int, U: Tensor) -> None:
        """One step of the plain recurrent network."""
        h = self.hs[t + 1]
        torch.addmm(self.a[t], self.hs[t], U, out=h).tanh_()

    def step_backward(self, t: int) -> None:
        """One backward step of the plain recurrent network."""
        tanh_backward(self.dh, self.hs[t + 1], grad_input=self.da[t])
        torch.mm(self.da[t], self.W_hh, out=self.dh)


class Lstm(Layer):
    """The gates lie side by side in ``a[t]`` as i, f, g, o."""

    gates = 4

    def states(self) -> tuple[Tensor, ...]:
        """The hidden state and the cell state."""
        return self.hs, self.cs

    def prepare(self, x: Tensor, hidden: int) -> None:
        """The buffers of the LSTM."""
        super().prepare(x, hidden)
        self.cs, self.tanh_c, self.dc = self.buffer(self.T + 1), self.buffer(self.T), self.buffer(1)[0]
        self.i_f_g_o, self.d_i_f_g_o = self.views(self.a), self.views(self.da)

    def step(self, t: int, U: Tensor) -> None:
        """One step of the LSTM."""
        a, (i, f, g, o) = self.a[t], self.i_f_g_o[t]
        a.addmm_(self.hs[t], U)
        a[:, : 2 * self.H].sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = torch.mul(f, self.cs[t], out=self.cs[t + 1]).addcmul_(i, g)
        torch.mul(o, torch.tanh(c, out=self.tanh_c[t]), out=self.hs[t + 1])

    def start_backward(self) -> None:
        """Clear what the backward pass carries besides ``dh``."""
        self.dc.zero_()

    def step_backward(self, t: int) -> None:
        """One backward step of the LSTM."""
        dh, dc, tanh_c, (i, f, g, o) = self.dh, self.dc, self.tanh_c[t], self.i_f_g_o[t]
        da, (d_i, d_f, d_g, d_o) = self.da[t], self.d_i_f_g_o[t]
        H = self.H
        torch.mul(dh, o, out=self.scratch)
        dc += tanh_backward(self.scratch, tanh_c, grad_input=self.scratch)
        torch.mul(dc, g, out=d_i)
        torch.mul(dc, self.cs[t], out=d_f)
        torch.mul(dc, i, out=d_g)
        torch.mul(dh, tanh_c, out=d_o)
        sigmoid_backward(da[:, : 2 * H], self.a[t, :, : 2 * H], grad_input=da[:, : 2 * H])
        tanh_backward(d_g, g, grad_input=d_g)
        sigmoid_backward(d_o, o, grad_input=d_o)
        torch.mm(da, self.W_hh, out=dh)
        dc *= f


class Gru(Layer):
    """Reset after the recurrent product. The gates lie in ``a[t]`` as r, z, n.

    ``da[t]`` holds n, r, z and, a fourth, n∘r: the first three are the gradient of the projected
    input, the last three that of the recurrent product, and nothing is copied.
    """

    gates = 3

    def prepare(self, x: Tensor, hidden: int) -> None:
        """The buffers of the GRU."""
        super().prepare(x, hidden)
        H = hidden
        self.da = self.buffer(self.T, 4)
        self.us = self.buffer(self.T, 3)  # the recurrent products
        self.h = self.hs.unbind(0)
        self.rz, self.r_z_n = self.a[..., : 2 * H].unbind(0), self.views(self.a)
        self.u = self.us.unbind(0)
        self.u_rz, self.u_n = self.us[..., : 2 * H].unbind(0), self.us[..., 2 * H :].unbind(0)
        self.d_n_r_z_nr = self.views(self.da)
        self.d_rz, self.d_h = self.da[..., H : 3 * H].unbind(0), self.da[..., H:].unbind(0)

    def step(self, t: int, U: Tensor) -> None:
        """One step of the GRU."""
        h, (r, z, n) = self.h[t], self.r_z_n[t]
        torch.mm(h, U, out=self.u[t]).add_(self.b_hh)
        self.rz[t].add_(self.u_rz[t]).sigmoid_()
        tanh_(n.addcmul_(r, self.u_n[t]))
        torch.lerp(n, h, z, out=self.h[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the GRU."""
        dh, (r, z, n), (d_n, d_r, d_z, d_nr) = self.dh, self.r_z_n[t], self.d_n_r_z_nr[t]
        torch.sub(self.h[t], n, out=d_z).mul_(dh)
        torch.addcmul(dh, dh, z, value=-1, out=d_n)
        tanh_backward(d_n, n, grad_input=d_n)
        torch.mul(d_n, self.u_n[t], out=d_r)
        sigmoid_backward(self.d_rz[t], self.rz[t], grad_input=self.d_rz[t])
        torch.mul(d_n, r, out=d_nr)
        dh.mul_(z).addmm_(self.d_h[t], self.W_hh)

    def backward(self, d_hs: Tensor, d_x_wanted: bool) -> tuple[Tensor | None, ...]:
        """As ``Layer.backward``, W_ih's rows in canonical order."""
        d_x, d_W, *recurrent = super().backward(d_hs, d_x_wanted)
        assert d_W is not None
        return d_x, self.in_order(d_W[: 3 * self.H]), *recurrent

    def d_x(self, da: Tensor) -> Tensor:
        """The gradient of x (T, B, D)."""
        n_r_z = torch.cat([self.W_ih[2 * self.H :], self.W_ih[: 2 * self.H]])
        return (da[:, : 3 * self.H] @ n_r_z).view(self.shape)

    def recurrent_gradients(self, da: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """The gradients of W_hh and the biases."""
        d_b = da.sum(0)
        return da[:, self.H :].t() @ before, self.in_order(d_b[: 3 * self.H]), d_b[self.H :]

    def in_order(self, n_r_z: Tensor) -> Tensor:
        """Rows n, r, z as r, z, n."""
        return torch.cat([n_r_z[self.H :], n_r_z[: self.H]])


class GruResetBefore(Layer):
    """Reset before the recurrent product; h' = (1−z)∘h + z∘n. The gates lie in ``a[t]`` as r, z, n."""

    gates = 3

    def prepare(self, x: Tensor, hidden: int) -> None:
        """The buffers of the GRU that resets before the product."""
        super().prepare(x, hidden)
        self.rh = self.buffer(self.T)
        self.r_z_n, self.d_r_z_n = self.views(self.a), self.views(self.da)

    def step(self, t: int, U: Tensor) -> None:
        """One step of the GRU that resets before the product."""
        H, h, rh, rz, (r, z, n) = self.H, self.hs[t], self.rh[t], self.a[t, :, : 2 * self.H], self.r_z_n[t]
        rz.addmm_(h, U[:, : 2 * H]).sigmoid_()
        n.addmm_(torch.mul(r, h, out=rh), U[:, 2 * H :]).tanh_()
        torch.lerp(h, n, z, out=self.hs[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the GRU that resets before the product."""
        H, dh, h, (r, z, n) = self.H, self.dh, self.hs[t], self.r_z_n[t]
        d_r, d_z, d_n = self.d_r_z_n[t]
        d_rz = self.da[t, :, : 2 * H]
        torch.sub(n, h, out=d_z).mul_(dh)
        torch.mul(dh, z, out=d_n)
        dh -= d_n
        tanh_backward(d_n, n, grad_input=d_n)
        d_rh = torch.mm(d_n, self.W_hh[2 * H :], out=self.scratch)
        torch.mul(d_rh, h, out=d_r)
        sigmoid_backward(d_rz, self.a[t, :, : 2 * H], grad_input=d_rz)
        dh.addcmul_(d_rh, r).addmm_(d_rz, self.W_hh[: 2 * H])

    def recurrent_gradients(self, da: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        """The gradients of W_hh and the biases."""
        by_rz = da[:, : 2 * self.H].t() @ before
        by_n = da[:, 2 * self.H :].t() @ self.rh.flatten(0, 1)
        return torch.cat([by_rz, by_n]), da.sum(0)


class Blockwise:
    """The forward pass alone, in blocks of steps whose buffers stay in a CPU's cache: a prediction's.

    Each block is a short sequence that starts at the end of the block before.
    """

    def __init__(self, kind: Callable[[], Layer]) -> None:
        self.kind = kind
        self.layers: dict[tuple[int, ...], Layer] = {}  # by the shape of a block's x

    def forward(self, x: Tensor, weights: Sequence[Tensor], end_alone: bool) -> Tensor:
        """Hidden states (T, B, H) for x (T, B, D), or (1, B, H) that of the last step."""
        (T, B, _), H = x.shape, weights[1].shape[1]
        hs = x.new_empty(1 if end_alone else T, B, H)
        ends: tuple[Tensor, ...] = ()
        start = 0
        for block in x.split(blocks.steps(B, H, x.element_size())):
            layer, stop = self._layer(block, H), start + len(block)
            for state, end in zip_longest(layer.states(), ends):
                state[0] = 0 if end is None else end
            states = layer.forward(block, *weights)
            if not end_alone:
                hs[start:stop] = states
            ends, start = tuple(state[-1] for state in layer.states()), stop
        if end_alone:
            hs[0] = ends[0]
        return hs

    def _layer(self, x: Tensor, hidden: int) -> Layer:
        key = *x.shape, hidden
        if key not in self.layers:
            self.layers[key] = self.kind()
            self.layers[key].prepare(x, hidden)
        return self.layers[key]


LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}


class DeferredDwLayers(LoopLayers):
    """All layers and directions, each of them a ``Layer``."""

    cells = LAYERS

    def __init__(self, model: ModelSpec, apart: bool = False) -> None:
        super().__init__(model, apart)
        self.recurrences = {prefix: self.cells[model.cell]() for _, _, prefix in layer_names(model)}
        self.blockwise = Blockwise(self.cells[model.cell])

    def layer(self, prefix: str, x: Tensor, end_alone: bool = False) -> Tensor:
        """Hidden states (T, B, H) of one layer in one direction, for x (T, B, D) in the order in which it reads.

        With ``end_alone`` that of the last step, (1, B, H).
        """
        p = self.own(prefix, x.dtype)
        weights = p["W_ih"], p["W_hh"], *(p[b] for b in BIASES[self.model.cell])
        if not torch.is_grad_enabled() and x.device.type == "cpu":
            return self.blockwise.forward(x, weights, end_alone)
        hs: Tensor = Recurrence.apply(self.recurrences[prefix], x, *weights)
        return hs
