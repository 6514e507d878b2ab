"""The equations of one step of each cell, forward and backward, in place and vectorised over the batch.

The mathematics is that of ``backends.reference``, where each equation stands on its own line. The loop over time is
that of ``backends.numpy.layers``.
"""

from __future__ import annotations

from typing import Any

from backends.job import Array, Cell, Parameters
from backends.numpy.layers import Layer, flat


def sigmoid(xp: Any, a: Array) -> None:
    """In place, as ½·tanh(½a) + ½: NumPy vectorises tanh, and nothing overflows."""
    a *= 0.5
    xp.tanh(a, out=a)
    a *= 0.5
    a += 0.5


def sigmoid_slope(xp: Any, s: Array, out: Array) -> None:
    """σ' = s − s²."""
    xp.multiply(s, s, out=out)
    xp.subtract(s, out, out=out)


def tanh_slope(xp: Any, y: Array, out: Array) -> None:
    """tanh' = 1 − y²."""
    xp.multiply(y, y, out=out)
    xp.subtract(1, out, out=out)


class Rnn(Layer):
    """h' = tanh(a + U h), the plain recurrent network."""

    gates = 1

    def step(self, t: int) -> None:
        """One step of the plain recurrent network."""
        a = self.a[t]
        self.xp.matmul(self.hs[t], self.U, out=self.product)
        a += self.product
        self.xp.tanh(a, out=self.hs[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the plain recurrent network."""
        da = self.da[t]
        tanh_slope(self.xp, self.hs[t + 1], out=da)
        da *= self.dh
        self.xp.matmul(da, self.p["W_hh"], out=self.dh)


class Lstm(Layer):
    """The gates lie side by side in ``a[t]`` as i, f, g, o.

    σ(a) = ½·tanh(½a) + ½: with the weights of i, f and o halved beforehand, one tanh serves all four gates.
    Two products of the forward pass, i∘g and h = o∘tanh c, serve the backward pass: h·tanh c = o·tanh² c, and so on.
    """

    gates = 4

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.cs = self.buffer(length + 1, batch, self.H)
        self.tanh_c, self.ig = self.buffer(length, batch, self.H), self.buffer(length, batch, self.H)
        self.dc = self.buffer(batch, self.H)
        self.scale = self.buffer(4 * self.H) + xp.asarray(0.5, self.dtype)
        self.scale[2 * self.H : 3 * self.H] = 1
        self.shift = 1 - self.scale

    def states(self) -> tuple[Array, ...]:
        """The hidden state and the cell state."""
        return self.hs, self.cs

    def weights(self) -> tuple[Array, Array, Array]:
        """W_ih, W_hh and the bias, halved for the gates i, f and o."""
        W_ih, W_hh, b = super().weights()
        rows = self.scale[:, None]
        return W_ih * rows, W_hh * rows, b * self.scale

    def step(self, t: int) -> None:
        """One step of the LSTM."""
        H, xp, a, ig, c = self.H, self.xp, self.a[t], self.ig[t], self.cs[t + 1]
        xp.matmul(self.hs[t], self.U, out=self.product)
        a += self.product
        xp.tanh(a, out=a)
        a *= self.scale
        a += self.shift
        i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
        xp.multiply(f, self.cs[t], out=c)
        c += xp.multiply(i, g, out=ig)
        xp.multiply(o, xp.tanh(c, out=self.tanh_c[t]), out=self.hs[t + 1])

    def start_backward(self) -> None:
        """Clear what the backward pass carries besides ``dh``."""
        self.dc[:] = 0

    def step_backward(self, t: int) -> None:
        """One backward step of the LSTM."""
        H, xp, dh, dc, scratch = self.H, self.xp, self.dh, self.dc, self.scratch
        a, da, ig, h = self.a[t], self.da[t], self.ig[t], self.hs[t + 1]
        i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
        d_i, d_f, d_g, d_o = da[:, :H], da[:, H : 2 * H], da[:, 2 * H : 3 * H], da[:, 3 * H :]
        xp.multiply(h, self.tanh_c[t], out=scratch)
        xp.subtract(o, scratch, out=scratch)  # o·(1 − tanh² c)
        scratch *= dh
        dc += scratch
        xp.multiply(ig, i, out=d_i)
        xp.subtract(ig, d_i, out=d_i)  # g·i·(1 − i)
        fc = xp.subtract(self.cs[t + 1], ig, out=scratch)
        xp.multiply(fc, f, out=d_f)
        xp.subtract(fc, d_f, out=d_f)  # c·f·(1 − f)
        xp.multiply(ig, g, out=d_g)
        xp.subtract(i, d_g, out=d_g)  # i·(1 − g²)
        by_gate = da[:, : 3 * H].reshape(self.B, 3, H)
        by_gate *= dc[:, None, :]
        xp.multiply(h, o, out=d_o)
        xp.subtract(h, d_o, out=d_o)  # tanh c·o·(1 − o)
        d_o *= dh
        xp.matmul(da, self.p["W_hh"], out=dh)
        dc *= f


class GatedUnit(Layer):
    """Base of both GRUs: the gates r, z, n lie side by side in ``a[t]``."""

    gates = 3

    def interpolate(self, at_0: Array, at_1: Array, z: Array, out: Array) -> None:
        """(1 − z) ∘ at_0 + z ∘ at_1."""
        self.xp.subtract(at_1, at_0, out=out)
        out *= z
        out += at_0

    def gates_and_slopes(self, a: Array, da: Array) -> tuple[Array, ...]:
        """Views r, z, n of the gates ``a`` and d_r, d_z, d_n of their gradients ``da``, which become their slopes."""
        H = self.H
        n, d_n = a[:, 2 * H :], da[:, 2 * H :]
        sigmoid_slope(self.xp, a[:, : 2 * H], out=da[:, : 2 * H])
        tanh_slope(self.xp, n, out=d_n)
        return a[:, :H], a[:, H : 2 * H], n, da[:, :H], da[:, H : 2 * H], d_n


class Gru(GatedUnit):
    """Reset after the recurrent product."""

    input_bias = "b_ih"

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.u_n = self.buffer(length, batch, self.H)  # the recurrent product that r lets in
        self.da_h = self.buffer(length, batch, 3 * self.H)  # gradients of the recurrent product

    def step(self, t: int) -> None:
        """One step of the GRU."""
        H, xp = self.H, self.xp
        a, u, h = self.a[t], self.product, self.hs[t]
        xp.matmul(h, self.U, out=u)
        u += self.p["b_hh"]
        rz, r, z, n = a[:, : 2 * H], a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]
        rz += u[:, : 2 * H]
        sigmoid(xp, rz)
        self.u_n[t] = u[:, 2 * H :]
        xp.multiply(r, self.u_n[t], out=self.scratch)
        n += self.scratch
        xp.tanh(n, out=n)
        self.interpolate(n, h, z, out=self.hs[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the GRU."""
        H, xp, dh = self.H, self.xp, self.dh
        a, da, da_h = self.a[t], self.da[t], self.da_h[t]
        r, z, n, d_r, d_z, d_n = self.gates_and_slopes(a, da)
        xp.subtract(self.hs[t], n, out=self.scratch)
        d_z *= self.scratch
        d_z *= dh
        xp.subtract(1, z, out=self.scratch)
        d_n *= self.scratch
        d_n *= dh
        d_r *= self.u_n[t]
        d_r *= d_n
        da_h[:, : 2 * H] = da[:, : 2 * H]
        xp.multiply(d_n, r, out=da_h[:, 2 * H :])
        dh *= z
        xp.matmul(da_h, self.p["W_hh"], out=self.scratch)
        dh += self.scratch

    def recurrent_gradients(self) -> None:
        """The gradients of W_hh and the biases."""
        da_h = flat(self.da_h)
        self.xp.matmul(da_h.T, flat(self.hs[:-1]), out=self.grads["W_hh"])
        self.xp.sum(da_h, axis=0, out=self.grads["b_hh"])


class GruResetBefore(GatedUnit):
    """Reset before the recurrent product; h' = (1−z)∘h + z∘n."""

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.rh = self.buffer(length, batch, self.H)
        self.product_rz = self.buffer(batch, 2 * self.H)
        self.d_rh = self.buffer(batch, self.H)

    def lay_out(self, W_hh: Array) -> None:
        """The two blocks of U apart: CuPy would copy a slice of columns for every product."""
        super().lay_out(W_hh)
        self.U_rz = self.xp.ascontiguousarray(self.U[:, : 2 * self.H])
        self.U_n = self.xp.ascontiguousarray(self.U[:, 2 * self.H :])

    def step(self, t: int) -> None:
        """One step of the GRU that resets before the product."""
        H, xp = self.H, self.xp
        a, h, rh = self.a[t], self.hs[t], self.rh[t]
        rz, r, z, n = a[:, : 2 * H], a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]
        xp.matmul(h, self.U_rz, out=self.product_rz)
        rz += self.product_rz
        sigmoid(xp, rz)
        xp.multiply(r, h, out=rh)
        xp.matmul(rh, self.U_n, out=self.scratch)
        n += self.scratch
        xp.tanh(n, out=n)
        self.interpolate(h, n, z, out=self.hs[t + 1])

    def step_backward(self, t: int) -> None:
        """One backward step of the GRU that resets before the product."""
        H, xp, dh, d_rh = self.H, self.xp, self.dh, self.d_rh
        a, da, h = self.a[t], self.da[t], self.hs[t]
        r, z, n, d_r, d_z, d_n = self.gates_and_slopes(a, da)
        d_n *= z
        d_n *= dh
        xp.subtract(n, h, out=self.scratch)
        d_z *= self.scratch
        d_z *= dh
        self.scratch[:] = d_n  # contiguous, as the GEMM wants it
        xp.matmul(self.scratch, self.p["W_hh"][2 * H :], out=d_rh)
        d_r *= h
        d_r *= d_rh
        xp.subtract(1, z, out=self.scratch)
        dh *= self.scratch
        d_rh *= r
        dh += d_rh
        self.product_rz[:] = da[:, : 2 * H]
        xp.matmul(self.product_rz, self.p["W_hh"][: 2 * H], out=self.scratch)
        dh += self.scratch

    def recurrent_gradients(self) -> None:
        """The gradients of W_hh and the biases."""
        H, da, d_W = self.H, flat(self.da), self.grads["W_hh"]
        self.xp.matmul(da[:, : 2 * H].T, flat(self.hs[:-1]), out=d_W[: 2 * H])
        self.xp.matmul(da[:, 2 * H :].T, flat(self.rh), out=d_W[2 * H :])


LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}
