"""Layers whose loop over time is compiled by numba, with all element-wise work of a step in one pass.

The loops release the interpreter's lock, so that each part of a batch can have its own thread. numba's tanh
calls the C library element by element; the rational function here is one that compilers turn into vector code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401 - numba's products call SciPy's BLAS: loaded now, its threads can be set
from numba import njit

from backends.job import Array, Cell
from backends.numpy import cells
from backends.numpy.kept_kernels import keep
from backends.numpy.layers import Layer
from backends.numpy.trainer import KernelsTrainer

F = np.float32
LIMIT = F(7.90531110763549805)  # beyond it tanh is 1 in float32
#: Not "fast": nan and infinity stay what they are, so that a run that diverges says so.
OPTIONS = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}
Function = TypeVar("Function", bound=Callable[..., Any])
inlined: Callable[[Function], Function] = njit(inline="always", **OPTIONS)


def compiled(function: Function) -> Function:
    """The function compiled when it is first called, or what an earlier process compiled."""
    kernel: Function = keep(njit(**OPTIONS)(function))
    return kernel


@inlined
def tanh(x: Any) -> Any:
    """tanh to a few units in the last place of float32: Eigen's rational function, odd 13th over even 6th degree."""
    x = F(-LIMIT) if x < -LIMIT else F(LIMIT) if x > LIMIT else x  # min and max would swallow a nan
    s = x * x
    p = F(-2.76076847742355e-16)
    p = p * s + F(2.00018790482477e-13)
    p = p * s + F(-8.60467152213735e-11)
    p = p * s + F(5.12229709037114e-08)
    p = p * s + F(1.48572235717979e-05)
    p = p * s + F(6.37261928875436e-04)
    p = p * s + F(4.89352455891786e-03)
    q = F(1.19825839466702e-06)
    q = q * s + F(1.18534705686654e-04)
    q = q * s + F(2.26843463243900e-03)
    q = q * s + F(4.89352518554385e-03)
    return x * p / q


@inlined
def sigmoid(x: Any) -> Any:
    """σ(x) = ½·tanh(½x) + ½."""
    return F(0.5) * tanh(F(0.5) * x) + F(0.5)


@inlined
def halved(x: Any) -> Any:
    """σ(2x): ``cells.Lstm`` halves the weights of these gates."""
    return F(0.5) * tanh(x) + F(0.5)


@compiled
def lstm_forward(a: Array, U: Array, hs: Array, cs: Array, tanh_c: Array, product: Array) -> None:
    """All steps of the forward pass of the LSTM."""
    T, B, H = tanh_c.shape
    for t in range(T):
        np.dot(hs[t], U, product)
        for b in range(B):
            gates, u = a[t, b], product[b]
            for j in range(2 * H):
                gates[j] = halved(gates[j] + u[j])
            for j in range(2 * H, 3 * H):
                gates[j] = tanh(gates[j] + u[j])
            for j in range(3 * H, 4 * H):
                gates[j] = halved(gates[j] + u[j])
            i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
            c, c_next, y, h = cs[t, b], cs[t + 1, b], tanh_c[t, b], hs[t + 1, b]
            for j in range(H):
                c_next[j] = f[j] * c[j] + i[j] * g[j]
                y[j] = tanh(c_next[j])
                h[j] = o[j] * y[j]


@compiled
def lstm_backward(
    d_hs: Array, a: Array, da: Array, W_hh: Array, cs: Array, tanh_c: Array, dh: Array, dc: Array
) -> None:
    """All steps of the backward pass of the LSTM."""
    T, B, H = tanh_c.shape
    one = F(1)
    for t in range(T - 1, -1, -1):
        for b in range(B):
            gates, d_gates = a[t, b], da[t, b]
            i, f, g, o = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
            d_i, d_f, d_g, d_o = d_gates[:H], d_gates[H : 2 * H], d_gates[2 * H : 3 * H], d_gates[3 * H :]
            y, c, d_c, d_h, d_out = tanh_c[t, b], cs[t, b], dc[b], dh[b], d_hs[t, b]
            for j in range(H):
                by_h = d_h[j] + d_out[j]
                by_c = d_c[j] + by_h * o[j] * (one - y[j] * y[j])
                d_o[j] = by_h * y[j] * o[j] * (one - o[j])
                d_i[j] = by_c * g[j] * i[j] * (one - i[j])
                d_f[j] = by_c * c[j] * f[j] * (one - f[j])
                d_g[j] = by_c * i[j] * (one - g[j] * g[j])
                d_c[j] = by_c * f[j]
        np.dot(da[t], W_hh, dh)


@compiled
def rnn_forward(a: Array, U: Array, hs: Array, product: Array) -> None:
    """All steps of the forward pass of the plain recurrent network."""
    T, B, H = a.shape
    for t in range(T):
        np.dot(hs[t], U, product)
        for b in range(B):
            x, u, h = a[t, b], product[b], hs[t + 1, b]
            for j in range(H):
                h[j] = tanh(x[j] + u[j])


@compiled
def rnn_backward(d_hs: Array, hs: Array, da: Array, W_hh: Array, dh: Array) -> None:
    """All steps of the backward pass of the plain recurrent network."""
    T, B, H = da.shape
    for t in range(T - 1, -1, -1):
        for b in range(B):
            d_a, d_h, d_out, h = da[t, b], dh[b], d_hs[t, b], hs[t + 1, b]
            for j in range(H):
                d_a[j] = (d_h[j] + d_out[j]) * (F(1) - h[j] * h[j])
        np.dot(da[t], W_hh, dh)


@compiled
def gru_forward(a: Array, U: Array, b_hh: Array, hs: Array, u_n: Array, product: Array) -> None:
    """All steps of the forward pass of the GRU."""
    T, B, H = u_n.shape
    for t in range(T):
        np.dot(hs[t], U, product)
        for b in range(B):
            gates, u = a[t, b], product[b]
            for j in range(2 * H):
                gates[j] = sigmoid(gates[j] + u[j] + b_hh[j])
            r, z, n = gates[:H], gates[H : 2 * H], gates[2 * H :]
            kept, u_last, b_last = u_n[t, b], u[2 * H :], b_hh[2 * H :]
            h, h_next = hs[t, b], hs[t + 1, b]
            for j in range(H):
                kept[j] = u_last[j] + b_last[j]
                n[j] = tanh(n[j] + r[j] * kept[j])
            for j in range(H):
                h_next[j] = n[j] + z[j] * (h[j] - n[j])


@compiled
def gru_backward(
    d_hs: Array, a: Array, da: Array, da_h: Array, W_hh: Array, hs: Array, u_n: Array, dh: Array, left: Array
) -> None:
    """All steps of the backward pass of the GRU; ``left`` (B, H) holds gradients that bypass the recurrent product."""
    T, B, H = u_n.shape
    one = F(1)
    left[:] = 0
    dh[:] = 0
    for t in range(T - 1, -1, -1):
        for b in range(B):
            gates, d_gates, d_gates_h = a[t, b], da[t, b], da_h[t, b]
            r, z, n, h, u = gates[:H], gates[H : 2 * H], gates[2 * H :], hs[t, b], u_n[t, b]
            d_r, d_z, d_n, d_nr = d_gates[:H], d_gates[H : 2 * H], d_gates[2 * H :], d_gates_h[2 * H :]
            d_h, d_out, passed = dh[b], d_hs[t, b], left[b]
            for j in range(H):
                by_h = d_h[j] + passed[j] + d_out[j]
                d_z[j] = by_h * (h[j] - n[j]) * z[j] * (one - z[j])
                d_n[j] = by_h * (one - z[j]) * (one - n[j] * n[j])
                passed[j] = by_h * z[j]
            for j in range(H):
                d_r[j] = d_n[j] * u[j] * r[j] * (one - r[j])
                d_nr[j] = d_n[j] * r[j]
            for j in range(2 * H):
                d_gates_h[j] = d_gates[j]
        np.dot(da_h[t], W_hh, dh)


@compiled
def gru_reset_before_forward(a: Array, U_rz: Array, U_n: Array, hs: Array, rh: Array, rz: Array, u_n: Array) -> None:
    """All steps of the forward pass of the GRU that resets before the product."""
    T, B, H = rh.shape
    for t in range(T):
        np.dot(hs[t], U_rz, rz)
        for b in range(B):
            gates, u, h, kept = a[t, b], rz[b], hs[t, b], rh[t, b]
            for j in range(2 * H):
                gates[j] = sigmoid(gates[j] + u[j])
            for j in range(H):
                kept[j] = gates[j] * h[j]
        np.dot(rh[t], U_n, u_n)
        for b in range(B):
            z, n, u, h, h_next = a[t, b, H : 2 * H], a[t, b, 2 * H :], u_n[b], hs[t, b], hs[t + 1, b]
            for j in range(H):
                n[j] = tanh(n[j] + u[j])
                h_next[j] = h[j] + z[j] * (n[j] - h[j])


@compiled
def gru_reset_before_backward(
    d_hs: Array,
    a: Array,
    da: Array,
    W_rz: Array,
    W_n: Array,
    hs: Array,
    dh: Array,
    d_rz: Array,
    d_n: Array,
    d_rh: Array,
) -> None:
    """All steps of the backward pass; ``d_rz`` (B, 2H), ``d_n`` (B, H) and ``d_rh`` (B, H) are buffers."""
    T, B, H = d_hs.shape
    one = F(1)
    left = np.zeros_like(dh)
    dh[:] = 0
    for t in range(T - 1, -1, -1):
        for b in range(B):
            z, n, h = a[t, b, H : 2 * H], a[t, b, 2 * H :], hs[t, b]
            d_h, d_out, passed, by_n, by_z = dh[b], d_hs[t, b], left[b], d_n[b], da[t, b, H : 2 * H]
            for j in range(H):
                by_h = d_h[j] + passed[j] + d_out[j]
                by_z[j] = by_h * (n[j] - h[j]) * z[j] * (one - z[j])
                by_n[j] = by_h * z[j] * (one - n[j] * n[j])
                passed[j] = by_h * (one - z[j])
        np.dot(d_n, W_n, d_rh)
        for b in range(B):
            r, h, by_rh, passed = a[t, b, :H], hs[t, b], d_rh[b], left[b]
            d_gates, rz, by_n = da[t, b], d_rz[b], d_n[b]
            for j in range(H):
                d_gates[j] = by_rh[j] * h[j] * r[j] * (one - r[j])
                passed[j] += by_rh[j] * r[j]
            for j in range(2 * H):
                rz[j] = d_gates[j]
            for j in range(H):
                d_gates[2 * H + j] = by_n[j]
        np.dot(d_rz, W_rz, dh)


class Rnn(cells.Rnn):
    """The plain recurrent network with compiled loops."""

    def forward_loop(self) -> None:
        """All steps in one compiled loop."""
        rnn_forward(self.a, self.U, self.hs, self.product)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one compiled loop."""
        rnn_backward(d_hs, self.hs, self.da, self.p["W_hh"], self.dh)


class Lstm(cells.Lstm):
    """The LSTM with compiled loops."""

    def forward_loop(self) -> None:
        """All steps in one compiled loop."""
        lstm_forward(self.a, self.U, self.hs, self.cs, self.tanh_c, self.product)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one compiled loop."""
        lstm_backward(d_hs, self.a, self.da, self.p["W_hh"], self.cs, self.tanh_c, self.dh, self.dc)


class Gru(cells.Gru):
    """The GRU with compiled loops."""

    def forward_loop(self) -> None:
        """All steps in one compiled loop."""
        gru_forward(self.a, self.U, self.p["b_hh"], self.hs, self.u_n, self.product)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one compiled loop."""
        gru_backward(d_hs, self.a, self.da, self.da_h, self.p["W_hh"], self.hs, self.u_n, self.dh, self.scratch)


class GruResetBefore(cells.GruResetBefore):
    """The GRU that resets before the product with compiled loops."""

    def forward_loop(self) -> None:
        """All steps in one compiled loop."""
        gru_reset_before_forward(self.a, self.U_rz, self.U_n, self.hs, self.rh, self.product_rz, self.scratch)

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps in one compiled loop."""
        W_rz, W_n = self.p["W_hh"][: 2 * self.H], self.p["W_hh"][2 * self.H :]
        room = self.product_rz, self.scratch, self.d_rh
        gru_reset_before_backward(d_hs, self.a, self.da, W_rz, W_n, self.hs, self.dh, *room)


def compilations() -> int:
    """How many of the kernels here have been compiled, argument types counted apart."""
    return sum(len(kernel.signatures) for kernel in KERNELS)


KERNELS: tuple[Any, ...] = (
    rnn_forward, rnn_backward, lstm_forward, lstm_backward, gru_forward, gru_backward, gru_reset_before_forward,
    gru_reset_before_backward,
)  # fmt: skip
LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}


class NumbaTrainer(KernelsTrainer):
    """A trainer that counts the kernels compiled by numba."""

    def loop(self) -> str:
        """The kernels, if numba has compiled any."""
        return f"numba loop ({found} kernels compiled)" if (found := compilations()) else "nothing compiled"

    def compilations(self) -> int:
        """How many of the kernels have been compiled in this process."""
        return compilations()
