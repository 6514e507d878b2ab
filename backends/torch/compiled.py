"""The loop of ``backends.torch.deferred_dw``, each step's element-wise work fused by ``torch.compile`` into one kernel.

The products stay torch's own: its compiler would call the same library. The equations are those of ``deferred_dw``, out
of place; the last line of each says where its results go. Importing this module takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch._dynamo
from torch import Tensor

from backends.job import Cell
from backends.torch import deferred_dw
from backends.torch.inductor import compilations
from backends.torch.trainer import TorchTrainer

#: Each shape and precision is compiled separately; past torch's limit one would fail, or silently run eagerly.
RECOMPILATIONS = 256


def allow_recompilations() -> None:
    """Raise torch's limit in this thread: from 2.13 on each thread has its settings, and on CUDA autograd runs the
    backward pass in another thread.
    """
    config = torch._dynamo.config
    if config.recompile_limit != RECOMPILATIONS:
        config.recompile_limit, config.fail_on_recompile_limit_hit = RECOMPILATIONS, True


allow_recompilations()

Kernel = Callable[..., None]
Gates = tuple[Tensor, ...]


def fused(function: Kernel) -> Kernel:
    """``function`` as one loop over the elements, compiled for each shape on first use."""
    compiled: Kernel = torch.compile(function, dynamic=False, fullgraph=True)
    return compiled


def store(values: Sequence[Tensor], places: Sequence[Tensor]) -> None:
    """Write each value into its place."""
    for value, place in zip(values, places, strict=True):
        place.copy_(value)


@fused
def lstm(gates: Gates, c: Tensor, c_next: Tensor, tanh_c: Tensor, h_next: Tensor) -> None:
    """The LSTM's gates, cell state and hidden state."""
    i, f, g, o = gates
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = f * c + i * g
    store([i, f, g, o, c, torch.tanh(c), o * torch.tanh(c)], [*gates, c_next, tanh_c, h_next])


@fused
def lstm_backward(dh: Tensor, dc: Tensor, gates: Gates, c: Tensor, tanh_c: Tensor, d_gates: Gates) -> None:
    """The gradients of the LSTM's gates and of its cell state."""
    i, f, g, o = gates
    by_c = dc + dh * o * (1 - tanh_c * tanh_c)
    d_i, d_f, d_g = by_c * g * i * (1 - i), by_c * c * f * (1 - f), by_c * i * (1 - g * g)
    store([d_i, d_f, d_g, dh * tanh_c * o * (1 - o), by_c * f], [*d_gates, dc])


@fused
def gru(gates: Gates, u: Gates, h: Tensor, h_next: Tensor) -> None:
    """The GRU's gates and hidden state."""
    r, z = torch.sigmoid(gates[0] + u[0]), torch.sigmoid(gates[1] + u[1])
    n = torch.tanh(gates[2] + r * u[2])
    store([r, z, n, n + z * (h - n)], [*gates, h_next])


@fused
def gru_backward(dh: Tensor, gates: Gates, u_n: Tensor, h: Tensor, d_gates: Gates) -> None:
    """The gradients of the GRU's gates and, apart from the recurrent product, of its hidden state."""
    r, z, n = gates
    d_n = dh * (1 - z) * (1 - n * n)
    store([d_n, d_n * u_n * r * (1 - r), dh * (h - n) * z * (1 - z), d_n * r, dh * z], [*d_gates, dh])


@fused
def gru_reset_before(r: Tensor, z: Tensor, h: Tensor, rh: Tensor) -> None:
    """The gates r and z, and r ∘ h."""
    store([torch.sigmoid(r), torch.sigmoid(z), torch.sigmoid(r) * h], [r, z, rh])


@fused
def gru_reset_before_new(n: Tensor, z: Tensor, h: Tensor, h_next: Tensor) -> None:
    """The gate n and the hidden state."""
    store([torch.tanh(n), h + z * (torch.tanh(n) - h)], [n, h_next])


@fused
def gru_reset_before_backward(dh: Tensor, z: Tensor, n: Tensor, h: Tensor, d_z: Tensor, d_n: Tensor) -> None:
    """The gradients of z and n, and the part of that of h that comes through z."""
    store([dh * (n - h) * z * (1 - z), dh * z * (1 - n * n), dh * (1 - z)], [d_z, d_n, dh])


@fused
def gru_reset_before_backward_r(d_rh: Tensor, dh: Tensor, r: Tensor, h: Tensor, d_r: Tensor) -> None:
    """The gradient of r, and the part of that of h that comes through r."""
    store([d_rh * h * r * (1 - r), dh + d_rh * r], [d_r, dh])


class CompiledLayer(deferred_dw.Layer):
    """A layer whose kernels may be compiled in whatever thread runs the backward pass."""

    def backward(self, d_hs: Tensor, d_x_wanted: bool) -> tuple[Tensor | None, ...]:
        """As ``deferred_dw.Layer.backward``, in whatever thread."""
        allow_recompilations()
        return super().backward(d_hs, d_x_wanted)


class Lstm(CompiledLayer, deferred_dw.Lstm):
    """The LSTM with compiled element-wise work."""

    def step(self, t: int, U: Tensor) -> None:
        """One step of the LSTM."""
        self.a[t].addmm_(self.hs[t], U)
        lstm(self.i_f_g_o[t], self.cs[t], self.cs[t + 1], self.tanh_c[t], self.hs[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the LSTM."""
        lstm_backward(self.dh, self.dc, self.i_f_g_o[t], self.cs[t], self.tanh_c[t], self.d_i_f_g_o[t])
        torch.mm(self.da[t], self.W_hh, out=self.dh)


class Gru(CompiledLayer, deferred_dw.Gru):
    """The GRU with compiled element-wise work."""

    def step(self, t: int, U: Tensor) -> None:
        """One step of the GRU."""
        torch.addmm(self.b_hh, self.h[t], U, out=self.u[t])
        gru(self.r_z_n[t], self.u_r_z_n[t], self.h[t], self.h[t + 1])

    def prepare(self, x: Tensor, hidden: int) -> None:
        """The buffers of the GRU, and views of its recurrent products."""
        super().prepare(x, hidden)
        self.u_r_z_n = self.views(self.us)

    def step_backward(self, t: int) -> None:
        """One backward step of the GRU."""
        gru_backward(self.dh, self.r_z_n[t], self.u_n[t], self.h[t], self.d_n_r_z_nr[t])
        self.dh.addmm_(self.d_h[t], self.W_hh)


class GruResetBefore(CompiledLayer, deferred_dw.GruResetBefore):
    """The GRU that resets before the product with compiled element-wise work."""

    def step(self, t: int, U: Tensor) -> None:
        """One step of the GRU that resets before the product."""
        H, h, (r, z, n) = self.H, self.hs[t], self.r_z_n[t]
        self.a[t, :, : 2 * H].addmm_(h, U[:, : 2 * H])
        gru_reset_before(r, z, h, self.rh[t])
        n.addmm_(self.rh[t], U[:, 2 * H :])
        gru_reset_before_new(n, z, h, self.hs[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the GRU that resets before the product."""
        H, dh, h, (r, z, n), (d_r, d_z, d_n) = self.H, self.dh, self.hs[t], self.r_z_n[t], self.d_r_z_n[t]
        gru_reset_before_backward(dh, z, n, h, d_z, d_n)
        torch.mm(d_n, self.W_hh[2 * H :], out=self.scratch)
        gru_reset_before_backward_r(self.scratch, dh, r, h, d_r)
        dh.addmm_(self.da[t, :, : 2 * H], self.W_hh[: 2 * H])


LAYERS: dict[Cell, type[deferred_dw.Layer]] = {"lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}


class CompiledLayers(deferred_dw.DeferredDwLayers):
    """All layers and directions; no plain RNN, whose step has one element-wise operation: nothing to fuse."""

    cells = LAYERS


class CompiledTrainer(TorchTrainer):
    """A trainer that counts the kernels compiled by torch."""

    def compilations(self) -> int:
        """How many kernels have been compiled in this process, shapes and precisions counted apart."""
        return compilations()
