"""Layers as in a textbook: a Python loop over time, a matrix for each gate, gradients added up step by step.

This is what one writes from the equations, and so the yardstick for the other variants. It is slow by design, not by
mistake: it is vectorised over the batch and computes nothing twice.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from backends.job import Array, Cell, Parameters

State = tuple[Array, ...]


class Layer(ABC):
    """One layer in one direction, with the interface of ``backends.numpy.layers.Layer``."""

    states = 1
    steps_by = "textbook"
    product_by = "matmul"

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        self.xp, self.p, self.grads = xp, p, grads
        self.T, self.H = length, p["W_hh"].shape[1]
        self.zeros = xp.zeros((batch, self.H), p["W_hh"].dtype)

    def gate(self, k: int) -> slice:
        """Rows of gate k."""
        return slice(k * self.H, (k + 1) * self.H)

    def forward(self, x: Array) -> Array:
        """As that of ``layers.Layer``; keeps what each step saves."""
        self.x, self.saved = x, list[State]()
        state: State = (self.zeros,) * self.states
        hs = []
        for t in range(self.T):
            state = self.step(x[t], state)
            hs.append(state[0])
        array: Array = self.xp.stack(hs)
        return array

    def predict(self, x: Array, end_alone: bool) -> Array:
        """As that of ``layers.Layer``: the same steps, of which nothing is kept."""
        state: State = (self.zeros,) * self.states
        hs = []
        for t in range(self.T):
            self.saved = list[State]()
            state = self.step(x[t], state)
            hs += [] if end_alone else [state[0]]
        array: Array = state[0][None] if end_alone else self.xp.stack(hs)
        return array

    def backward(self, d_hs: Array, d_x_wanted: bool) -> Array | None:
        """As that of ``layers.Layer``; adds to the gradients at every step."""
        for grad in self.grads.values():
            grad[:] = 0
        d_state: State = (self.zeros,) * self.states
        d_x = []
        for t in reversed(range(self.T)):
            d_state, d_xt = self.step_backward(
                self.x[t], self.saved[t], (d_state[0] + d_hs[t], *d_state[1:]), d_x_wanted
            )
            d_x.append(d_xt)
        return self.xp.stack(d_x[::-1]) if d_x_wanted else None

    def affine(self, k: int, x: Array, h: Array, bias: str = "b") -> Array:
        """W_k x + U_k h + b_k."""
        k_th = self.gate(k)
        array: Array = x @ self.p["W_ih"][k_th].T + h @ self.p["W_hh"][k_th].T + self.p[bias][k_th]
        return array

    def affine_backward(self, k: int, da: Array, x: Array, h: Array, bias: str = "b") -> Array:
        """Add to the gradients of W_k, U_k and b_k; return that of h."""
        k_th = self.gate(k)
        self.grads["W_ih"][k_th] += da.T @ x
        self.grads["W_hh"][k_th] += da.T @ h
        self.grads[bias][k_th] += da.sum(axis=0)
        by_h: Array = da @ self.p["W_hh"][k_th]
        return by_h

    def by_x(self, d_gates: list[Array], wanted: bool) -> Array | None:
        """The gradient of x (B, D), from those of the gates."""
        if not wanted:
            return None
        array: Array = sum(da @ self.p["W_ih"][self.gate(k)] for k, da in enumerate(d_gates))  # type: ignore[assignment]
        return array

    def sigmoid(self, a: Array) -> Array:
        """σ(a), as ½·tanh(½a) + ½: 1 / (1 + e⁻ᵃ) would overflow."""
        array: Array = 0.5 * self.xp.tanh(0.5 * a) + 0.5
        return array

    @abstractmethod
    def step(self, x: Array, state: State) -> State:
        """The next state. Appends to ``saved`` what the backward pass needs."""

    @abstractmethod
    def step_backward(self, x: Array, saved: State, d_state: State, d_x_wanted: bool) -> tuple[State, Array | None]:
        """The gradients of the previous state and of x, from that of the next state."""


class Rnn(Layer):
    """The plain recurrent network, gate by gate."""

    def step(self, x: Array, state: State) -> State:
        """One step of the plain recurrent network."""
        (h,) = state
        h_next = self.xp.tanh(self.affine(0, x, h))
        self.saved.append((h, h_next))
        return (h_next,)

    def step_backward(self, x: Array, saved: State, d_state: State, d_x_wanted: bool) -> tuple[State, Array | None]:
        """One backward step of the plain recurrent network."""
        (h, h_next), (dh,) = saved, d_state
        da = dh * (1 - h_next**2)
        return (self.affine_backward(0, da, x, h),), self.by_x([da], d_x_wanted)


class Lstm(Layer):
    """The LSTM, gate by gate."""

    states = 2

    def step(self, x: Array, state: State) -> State:
        """One step of the LSTM."""
        h, c = state
        i = self.sigmoid(self.affine(0, x, h))
        f = self.sigmoid(self.affine(1, x, h))
        g = self.xp.tanh(self.affine(2, x, h))
        o = self.sigmoid(self.affine(3, x, h))
        c_next = f * c + i * g
        tanh_c = self.xp.tanh(c_next)
        self.saved.append((h, c, i, f, g, o, tanh_c))
        return o * tanh_c, c_next

    def step_backward(self, x: Array, saved: State, d_state: State, d_x_wanted: bool) -> tuple[State, Array | None]:
        """One backward step of the LSTM."""
        (h, c, i, f, g, o, tanh_c), (dh, dc) = saved, d_state
        dc = dc + dh * o * (1 - tanh_c**2)
        d_gates = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tanh_c * o * (1 - o)]
        d_hs = [self.affine_backward(k, da, x, h) for k, da in enumerate(d_gates)]
        return (d_hs[0] + d_hs[1] + d_hs[2] + d_hs[3], dc * f), self.by_x(d_gates, d_x_wanted)


class Gru(Layer):
    """Reset after the recurrent product: n = tanh(W_n x + b_n + r ∘ (U_n h + b_hn))."""

    def step(self, x: Array, state: State) -> State:
        """One step of the GRU."""
        (h,), p, n_th = state, self.p, self.gate(2)
        r = self.sigmoid(self.affine(0, x, h, "b_ih") + p["b_hh"][self.gate(0)])
        z = self.sigmoid(self.affine(1, x, h, "b_ih") + p["b_hh"][self.gate(1)])
        u = h @ p["W_hh"][n_th].T + p["b_hh"][n_th]
        n = self.xp.tanh(x @ p["W_ih"][n_th].T + p["b_ih"][n_th] + r * u)
        self.saved.append((h, r, z, n, u))
        return ((1 - z) * n + z * h,)

    def step_backward(self, x: Array, saved: State, d_state: State, d_x_wanted: bool) -> tuple[State, Array | None]:
        """One backward step of the GRU."""
        (h, r, z, n, u), (dh,), n_th = saved, d_state, self.gate(2)
        da_z = dh * (h - n) * z * (1 - z)
        da_n = dh * (1 - z) * (1 - n**2)
        da_r = da_n * u * r * (1 - r)
        dh = dh * z
        for k, da in enumerate((da_r, da_z)):
            dh = dh + self.affine_backward(k, da, x, h, "b_ih")
            self.grads["b_hh"][self.gate(k)] += da.sum(axis=0)
        du = da_n * r
        self.grads["W_ih"][n_th] += da_n.T @ x
        self.grads["b_ih"][n_th] += da_n.sum(axis=0)
        self.grads["W_hh"][n_th] += du.T @ h
        self.grads["b_hh"][n_th] += du.sum(axis=0)
        return (dh + du @ self.p["W_hh"][n_th],), self.by_x([da_r, da_z, da_n], d_x_wanted)


class GruResetBefore(Layer):
    """Reset before the recurrent product: n = tanh(W_n x + b_n + U_n (r ∘ h)); z lets n in."""

    def step(self, x: Array, state: State) -> State:
        """One step of the GRU that resets before the product."""
        (h,) = state
        r = self.sigmoid(self.affine(0, x, h))
        z = self.sigmoid(self.affine(1, x, h))
        n = self.xp.tanh(self.affine(2, x, r * h))
        self.saved.append((h, r, z, n))
        return ((1 - z) * h + z * n,)

    def step_backward(self, x: Array, saved: State, d_state: State, d_x_wanted: bool) -> tuple[State, Array | None]:
        """One backward step of the GRU that resets before the product."""
        (h, r, z, n), (dh,) = saved, d_state
        da_z = dh * (n - h) * z * (1 - z)
        da_n = dh * z * (1 - n**2)
        d_rh = self.affine_backward(2, da_n, x, r * h)
        da_r = d_rh * h * r * (1 - r)
        by_gates = self.affine_backward(0, da_r, x, h) + self.affine_backward(1, da_z, x, h)
        return (dh * (1 - z) + d_rh * r + by_gates,), self.by_x([da_r, da_z, da_n], d_x_wanted)


LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}
