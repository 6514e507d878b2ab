"""The recurrent layers, forward and backward, vectorised over the batch.

Per layer: one GEMM projects the input of all steps; a loop over time adds the recurrent GEMM
and computes the gates in place in preallocated buffers; the way back stores the gates'
gradients, so that each weight's gradient is one GEMM after the loop. The mathematics is that of
``backends.reference``, where each equation stands on its own line.

``xp`` is ``numpy`` or ``cupy``. Arrays are time-major: x (T, B, D), hidden states (T, B, H).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from backends.job import Array, Cell, Parameters


class Layer(ABC):
    """One layer in one direction. ``p`` and ``grads`` are views that the optimizer owns."""

    gates: int
    input_bias = "b"
    product_by = "matmul"  # of ``xp``; what computes a step's recurrent product

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        self.xp, self.p, self.grads = xp, p, grads
        self.T, self.B, self.H = length, batch, p["W_hh"].shape[1]
        self.dtype = p["W_hh"].dtype
        self.a = self.buffer(length, batch, self.gates * self.H)  # pre-activations, then gates
        self.da = self.buffer(length, batch, self.gates * self.H)  # gradients by the pre-activations
        self.hs = self.buffer(length + 1, batch, self.H)  # hs[t] enters step t
        self.dh = self.buffer(batch, self.H)
        self.product = self.buffer(batch, self.gates * self.H)
        self.scratch = self.buffer(batch, self.H)

    def buffer(self, *shape: int) -> Array:
        array: Array = self.xp.zeros(shape, self.dtype)
        return array

    def forward(self, x: Array) -> Array:
        """Hidden states (T, B, H) for x (T, B, D), from a zero state. A view: valid until the next call."""
        self.x = x
        W_ih, W_hh, b = self.weights()
        self.U = self.xp.ascontiguousarray(W_hh.T)  # small beside the T products that read it, and they gain a third
        self.xp.matmul(_flat(x), W_ih.T, out=_flat(self.a))
        self.a += b
        self.there()
        return self.hs[1:]

    def weights(self) -> tuple[Array, Array, Array]:
        """W_ih, W_hh and the bias as the way there wants them."""
        return self.p["W_ih"], self.p["W_hh"], self.p[self.input_bias]

    def there(self) -> None:
        """All steps: from ``a``, which holds the projected input, to ``hs``."""
        for t in range(self.T):
            self.step(t)

    def backward(self, d_hs: Array, d_x_wanted: bool) -> Array | None:
        """Fills ``grads`` from the gradients by the hidden states; gives those by x if wanted."""
        self.dh[:] = 0
        self.start_back()
        self.back(d_hs)
        da = _flat(self.da)
        self.grads["W_ih"][:] = (_flat(self.x).T @ da).T  # the narrow matrix first: up to three times as fast
        self.xp.sum(da, axis=0, out=self.grads[self.input_bias])
        self.recurrent_gradients()
        return (da @ self.p["W_ih"]).reshape(self.x.shape) if d_x_wanted else None

    def back(self, d_hs: Array) -> None:
        """All steps back: from the gradients by the hidden states to ``da``."""
        for t in reversed(range(self.T)):
            self.dh += d_hs[t]
            self.step_back(t)

    def start_back(self) -> None:  # noqa: B027 - most cells carry nothing else
        """Clear what the way back carries besides ``dh``."""

    @abstractmethod
    def step(self, t: int) -> None:
        """From ``a[t]``, which holds the projected input, and ``hs[t]`` to ``hs[t + 1]``."""

    @abstractmethod
    def step_back(self, t: int) -> None:
        """From ``dh``, the gradient by ``hs[t + 1]``, to ``da[t]``; leaves ``dh`` as that by ``hs[t]``."""

    def recurrent_gradients(self) -> None:
        """The gradient by ``W_hh``, from ``da`` and ``hs``."""
        self.xp.matmul(_flat(self.da).T, _flat(self.hs[:-1]), out=self.grads["W_hh"])

    def sigmoid(self, a: Array) -> None:
        """In place, as ½·tanh(½a) + ½: NumPy vectorises tanh, and nothing overflows."""
        a *= 0.5
        self.xp.tanh(a, out=a)
        a *= 0.5
        a += 0.5

    def sigmoid_slope(self, s: Array, out: Array) -> None:
        """σ' = s − s²."""
        self.xp.multiply(s, s, out=out)
        self.xp.subtract(s, out, out=out)

    def tanh_slope(self, y: Array, out: Array) -> None:
        """tanh' = 1 − y²."""
        self.xp.multiply(y, y, out=out)
        self.xp.subtract(1, out, out=out)


class Rnn(Layer):
    gates = 1

    def step(self, t: int) -> None:
        a = self.a[t]
        self.xp.matmul(self.hs[t], self.U, out=self.product)
        a += self.product
        self.xp.tanh(a, out=self.hs[t + 1])

    def step_back(self, t: int) -> None:
        da = self.da[t]
        self.tanh_slope(self.hs[t + 1], out=da)
        da *= self.dh
        self.xp.matmul(da, self.p["W_hh"], out=self.dh)


class Lstm(Layer):
    """The gates lie side by side in ``a[t]`` as i, f, g, o.

    σ(a) = ½·tanh(½a) + ½: with the weights of i, f and o halved beforehand, one tanh serves all four gates.
    Two products of the way there, i∘g and h = o∘tanh c, serve the way back: h·tanh c = o·tanh² c, and so on.
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

    def weights(self) -> tuple[Array, Array, Array]:
        W_ih, W_hh, b = super().weights()
        rows = self.scale[:, None]
        return W_ih * rows, W_hh * rows, b * self.scale

    def step(self, t: int) -> None:
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

    def start_back(self) -> None:
        self.dc[:] = 0

    def step_back(self, t: int) -> None:
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


class Gru(Layer):
    """Reset after the recurrent product. The gates lie in ``a[t]`` as r, z, n."""

    gates = 3
    input_bias = "b_ih"

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.u_n = self.buffer(length, batch, self.H)  # the recurrent product that r lets in
        self.da_h = self.buffer(length, batch, 3 * self.H)  # gradients by the recurrent product

    def step(self, t: int) -> None:
        H, xp = self.H, self.xp
        a, u, h = self.a[t], self.product, self.hs[t]
        xp.matmul(h, self.U, out=u)
        u += self.p["b_hh"]
        rz, r, z, n = a[:, : 2 * H], a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]
        rz += u[:, : 2 * H]
        self.sigmoid(rz)
        self.u_n[t] = u[:, 2 * H :]
        xp.multiply(r, self.u_n[t], out=self.scratch)
        n += self.scratch
        xp.tanh(n, out=n)
        h_next = self.hs[t + 1]
        xp.subtract(h, n, out=h_next)
        h_next *= z
        h_next += n

    def step_back(self, t: int) -> None:
        H, xp, dh = self.H, self.xp, self.dh
        a, da, da_h = self.a[t], self.da[t], self.da_h[t]
        r, z, n = a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]
        d_r, d_z, d_n = da[:, :H], da[:, H : 2 * H], da[:, 2 * H :]
        self.sigmoid_slope(a[:, : 2 * H], out=da[:, : 2 * H])
        self.tanh_slope(n, out=d_n)
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
        da_h = _flat(self.da_h)
        self.xp.matmul(da_h.T, _flat(self.hs[:-1]), out=self.grads["W_hh"])
        self.xp.sum(da_h, axis=0, out=self.grads["b_hh"])


class GruResetBefore(Layer):
    """Reset before the recurrent product; h' = (1−z)∘h + z∘n. The gates lie in ``a[t]`` as r, z, n."""

    gates = 3

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.rh = self.buffer(length, batch, self.H)
        self.product_rz = self.buffer(batch, 2 * self.H)
        self.d_rh = self.buffer(batch, self.H)

    def there(self) -> None:
        # apart: of a matrix that is a part of another's columns CuPy makes a copy for every product
        self.U_rz = self.xp.ascontiguousarray(self.U[:, : 2 * self.H])
        self.U_n = self.xp.ascontiguousarray(self.U[:, 2 * self.H :])
        super().there()

    def step(self, t: int) -> None:
        H, xp = self.H, self.xp
        a, h, rh = self.a[t], self.hs[t], self.rh[t]
        rz, r, z, n = a[:, : 2 * H], a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]
        xp.matmul(h, self.U_rz, out=self.product_rz)
        rz += self.product_rz
        self.sigmoid(rz)
        xp.multiply(r, h, out=rh)
        xp.matmul(rh, self.U_n, out=self.scratch)
        n += self.scratch
        xp.tanh(n, out=n)
        h_next = self.hs[t + 1]
        xp.subtract(n, h, out=h_next)
        h_next *= z
        h_next += h

    def step_back(self, t: int) -> None:
        H, xp, dh, d_rh = self.H, self.xp, self.dh, self.d_rh
        a, da, h = self.a[t], self.da[t], self.hs[t]
        r, z, n = a[:, :H], a[:, H : 2 * H], a[:, 2 * H :]
        d_r, d_z, d_n = da[:, :H], da[:, H : 2 * H], da[:, 2 * H :]
        self.sigmoid_slope(a[:, : 2 * H], out=da[:, : 2 * H])
        self.tanh_slope(n, out=d_n)
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
        H, da, d_W = self.H, _flat(self.da), self.grads["W_hh"]
        self.xp.matmul(da[:, : 2 * H].T, _flat(self.hs[:-1]), out=d_W[: 2 * H])
        self.xp.matmul(da[:, 2 * H :].T, _flat(self.rh), out=d_W[2 * H :])


def _flat(array: Array) -> Array:
    """(T, B, n) as (T·B, n), without copying."""
    return array.reshape(-1, array.shape[-1])


LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}
