"""Layers with all element-wise work of a step in one CUDA kernel, which CuPy compiles from the bodies below.

On a GPU a step takes as long as the interpreter needs to launch its kernels: here one GEMM and one kernel forward, and
as many backward (``gru-reset-before`` has two of each, since its second product waits for the reset gate). For the
same reason the views of every step are made once, with the layer, and the kernels write straight into them; and
products call ``dot``, which CuPy's ``matmul`` would call for two matrices after a look at its options.

A body computes one element. An output that it reads before it writes holds the input of the step: a gate its
projected input, ``left`` and ``dc`` the gradients from the step after this one. ``T`` is the type of the arrays. No
GPU is needed to test this: any C++ compiler makes a plain loop of a body.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import Any, ClassVar, NamedTuple

from backends.job import Array, Cell, Parameters
from backends.numpy import cells
from backends.numpy.layers import Layer

PREAMBLE = "template <typename S> __device__ S sigmoid(S a) { return S(0.5) * tanh(S(0.5) * a) + S(0.5); }"


class Kernel(NamedTuple):
    """The arguments of ``cupy.ElementwiseKernel``; ``inputs`` and ``outputs`` are names of arrays of type T.

    CuPy keeps the name ``i`` for itself: a gate's is that of its pre-activation, a_i, which it replaces.
    """

    name: str
    inputs: str
    outputs: str
    body: str


@cache
def compiled(xp: Any, kernel: Kernel) -> Any:
    """A callable on the arrays in the order of their names; compiled when it is first called."""
    inputs, outputs = (", ".join(f"T {name}" for name in names.split()) for names in (kernel.inputs, kernel.outputs))
    return xp.ElementwiseKernel(inputs, outputs, kernel.body, kernel.name, preamble=PREAMBLE, no_return=True)


RNN = Kernel("rnn_step", "a u", "h_next", "h_next = tanh(a + u);")

RNN_BACKWARD = Kernel("rnn_step_backward", "d_out dh h_next", "da", "da = (dh + d_out) * (1 - h_next * h_next);")

LSTM = Kernel("lstm_step", "u_i u_f u_g u_o c", "a_i a_f a_g a_o c_next tanh_c h_next", """
    a_i = sigmoid(a_i + u_i);
    a_f = sigmoid(a_f + u_f);
    a_g = tanh(a_g + u_g);
    a_o = sigmoid(a_o + u_o);
    c_next = a_f * c + a_i * a_g;
    tanh_c = tanh(c_next);
    h_next = a_o * tanh_c;
""")  # fmt: skip

LSTM_BACKWARD = Kernel("lstm_step_backward", "d_out dh a_i a_f a_g a_o c tanh_c", "dc d_i d_f d_g d_o", """
    T by_h = dh + d_out;
    T by_c = dc + by_h * a_o * (1 - tanh_c * tanh_c);
    d_i = by_c * a_g * a_i * (1 - a_i);
    d_f = by_c * c * a_f * (1 - a_f);
    d_g = by_c * a_i * (1 - a_g * a_g);
    d_o = by_h * tanh_c * a_o * (1 - a_o);
    dc = by_c * a_f;
""")  # fmt: skip

GRU = Kernel("gru_step", "u_r u_z u_n b_r b_z b_n h", "a_r a_z a_n kept h_next", """
    a_r = sigmoid(a_r + u_r + b_r);
    a_z = sigmoid(a_z + u_z + b_z);
    kept = u_n + b_n;
    a_n = tanh(a_n + a_r * kept);
    h_next = a_n + a_z * (h - a_n);
""")  # fmt: skip

GRU_BACKWARD = Kernel("gru_step_backward", "d_out dh a_r a_z a_n kept h", "left d_r d_z d_n by_r by_z by_n", """
    T by_h = dh + left + d_out;
    d_z = by_h * (h - a_n) * a_z * (1 - a_z);
    d_n = by_h * (1 - a_z) * (1 - a_n * a_n);
    d_r = d_n * kept * a_r * (1 - a_r);
    left = by_h * a_z;
    by_r = d_r;
    by_z = d_z;
    by_n = d_n * a_r;
""")  # fmt: skip

RESET = Kernel("gru_reset_before_step_gates", "u_r u_z h", "a_r a_z rh", """
    a_r = sigmoid(a_r + u_r);
    a_z = sigmoid(a_z + u_z);
    rh = a_r * h;
""")  # fmt: skip

RESET_STATE = Kernel("gru_reset_before_step_state", "u_n a_z h", "a_n h_next", """
    a_n = tanh(a_n + u_n);
    h_next = h + a_z * (a_n - h);
""")  # fmt: skip

RESET_STATE_BACKWARD = Kernel("gru_reset_before_step_backward_state", "d_out dh a_z a_n h", "left d_z d_n by_n", """
    T by_h = dh + left + d_out;
    d_z = by_h * (a_n - h) * a_z * (1 - a_z);
    d_n = by_h * a_z * (1 - a_n * a_n);
    left = by_h * (1 - a_z);
    by_n = d_n;
""")  # fmt: skip

RESET_BACKWARD = Kernel("gru_reset_before_step_backward_gates", "a_r h d_rh d_z", "left d_r by_r by_z", """
    d_r = d_rh * h * a_r * (1 - a_r);
    left += d_rh * a_r;
    by_r = d_r;
    by_z = d_z;
""")  # fmt: skip


class KernelLayer(Layer):
    """A layer with one GEMM and one kernel per step.

    ``views`` and ``views_backward`` are the kernels' arguments at each step, and ``d_u`` the gradient of the recurrent
    product; ``d_out``, which comes from the layer above, precedes them.
    """

    steps_by = "kernels"
    product_by = "dot"
    kernel: ClassVar[Kernel]
    kernel_backward: ClassVar[Kernel]

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.gate_step, self.gate_step_backward = compiled(xp, self.kernel), compiled(xp, self.kernel_backward)
        self.h, self.d_u = list(self.hs), list(self.da)
        self.views, self.views_backward = (
            self.at_each_step(*self.arguments()),
            self.at_each_step(*self.arguments_backward()),
        )

    @abstractmethod
    def arguments(self) -> list[Array]:
        """The arguments of ``kernel``, over all steps."""

    @abstractmethod
    def arguments_backward(self) -> list[Array]:
        """The arguments of ``kernel_backward``, over all steps, without ``d_out``."""

    def by_gate(self, array: Array) -> list[Array]:
        """Views of the gates, which lie side by side in the last axis."""
        return [array[..., start : start + self.H] for start in range(0, array.shape[-1], self.H)]

    def at_each_step(self, *arrays: Array) -> list[tuple[Array, ...]]:
        """Views of arrays (T, B, n), step by step; others serve every step."""
        return [tuple(array[t] if array.ndim == 3 else array for array in arrays) for t in range(self.T)]

    def backward_loop(self, d_hs: Array) -> None:
        """All backward steps; the kernels add ``d_hs`` themselves."""
        self.d_hs = d_hs
        for t in reversed(range(self.T)):
            self.step_backward(t)

    def step(self, t: int) -> None:
        """A product and a kernel."""
        self.h[t].dot(self.U, self.product)
        self.gate_step(*self.views[t])

    def step_backward(self, t: int) -> None:
        """A kernel and a product."""
        self.gate_step_backward(self.d_hs[t], *self.views_backward[t])
        self.d_u[t].dot(self.p["W_hh"], self.dh)


class Rnn(KernelLayer):
    """The plain recurrent network with a kernel for its gates, forward and backward."""

    gates, kernel, kernel_backward = 1, RNN, RNN_BACKWARD

    def arguments(self) -> list[Array]:
        """The arguments of the forward kernel."""
        return [self.a, self.product, self.hs[1:]]

    def arguments_backward(self) -> list[Array]:
        """The arguments of the backward kernel."""
        return [self.dh, self.hs[1:], self.da]


class Lstm(KernelLayer):
    """The LSTM with a kernel for its gates, forward and backward."""

    gates, kernel, kernel_backward = 4, LSTM, LSTM_BACKWARD

    def arguments(self) -> list[Array]:
        """The arguments of the forward kernel."""
        self.cs, self.tanh_c = self.buffer(self.T + 1, self.B, self.H), self.buffer(self.T, self.B, self.H)
        out = [*self.by_gate(self.a), self.cs[1:], self.tanh_c, self.hs[1:]]
        return [*self.by_gate(self.product), self.cs[:-1], *out]

    def arguments_backward(self) -> list[Array]:
        """The arguments of the backward kernel."""
        self.dc = self.buffer(self.B, self.H)
        return [self.dh, *self.by_gate(self.a), self.cs[:-1], self.tanh_c, self.dc, *self.by_gate(self.da)]

    def start_backward(self) -> None:
        """Clear what the backward pass carries besides ``dh``."""
        self.dc[:] = 0


class Gru(KernelLayer, cells.Gru):
    """Reset after the recurrent product."""

    kernel, kernel_backward = GRU, GRU_BACKWARD

    def arguments(self) -> list[Array]:
        """The arguments of the forward kernel."""
        u, b = self.by_gate(self.product), self.by_gate(self.p["b_hh"])
        return [*u, *b, self.hs[:-1], *self.by_gate(self.a), self.u_n, self.hs[1:]]

    def arguments_backward(self) -> list[Array]:
        """The arguments of the backward kernel."""
        self.d_u = list(self.da_h)
        self.left = self.scratch
        out = [self.left, *self.by_gate(self.da), *self.by_gate(self.da_h)]
        return [self.dh, *self.by_gate(self.a), self.u_n, self.hs[:-1], *out]

    def start_backward(self) -> None:
        """Clear what the backward pass carries besides ``dh``."""
        self.left[:] = 0


class GruResetBefore(KernelLayer, cells.GruResetBefore):
    """Reset before the recurrent product: r and z come from the kernels of ``KernelLayer``, the state from two more."""

    kernel, kernel_backward = RESET, RESET_BACKWARD

    def __init__(self, xp: Any, p: Parameters, grads: Parameters, length: int, batch: int) -> None:
        super().__init__(xp, p, grads, length, batch)
        self.state_step, self.state_step_backward = compiled(xp, RESET_STATE), compiled(xp, RESET_STATE_BACKWARD)
        (_, z, n), (_, d_z, d_n) = self.by_gate(self.a), self.by_gate(self.da)
        before, after = self.hs[:-1], self.hs[1:]
        self.u_n = self.by_n = self.scratch  # the one forward, the other backward
        self.views_state = self.at_each_step(self.u_n, z, before, n, after)
        self.views_state_backward = self.at_each_step(self.dh, z, n, before, self.left, d_z, d_n, self.by_n)
        self.rh_at = list(self.rh)
        self.W_rz, self.W_n = p["W_hh"][: 2 * self.H], p["W_hh"][2 * self.H :]

    def arguments(self) -> list[Array]:
        """The arguments of the forward kernel."""
        r, z, _ = self.by_gate(self.a)
        return [*self.by_gate(self.product_rz), self.hs[:-1], r, z, self.rh]

    def arguments_backward(self) -> list[Array]:
        """The arguments of the backward kernel."""
        (r, _, _), (d_r, d_z, _) = self.by_gate(self.a), self.by_gate(self.da)
        self.left = self.buffer(self.B, self.H)
        return [r, self.hs[:-1], self.d_rh, d_z, self.left, d_r, *self.by_gate(self.product_rz)]

    def start_backward(self) -> None:
        """Clear what the backward pass carries besides ``dh``."""
        self.left[:] = 0

    def step(self, t: int) -> None:
        """Two products and two kernels."""
        self.h[t].dot(self.U_rz, self.product_rz)
        self.gate_step(*self.views[t])
        self.rh_at[t].dot(self.U_n, self.u_n)
        self.state_step(*self.views_state[t])

    def step_backward(self, t: int) -> None:
        """Two kernels and two products."""
        self.state_step_backward(self.d_hs[t], *self.views_state_backward[t])
        self.by_n.dot(self.W_n, self.d_rh)
        self.gate_step_backward(*self.views_backward[t])
        self.product_rz.dot(self.W_rz, self.dh)


LAYERS: dict[Cell, type[Layer]] = {"rnn": Rnn, "lstm": Lstm, "gru": Gru, "gru-reset-before": GruResetBefore}
