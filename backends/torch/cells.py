"""The recurrent layers: PyTorch's own, and a loop that hoists the input projection.

Both map x (T, B, D) to the top layer's hidden states (T, B, features), and compute in the type of x, whatever that of
their weights. Lengths (B,) are int64, on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from backends.job import Cell, ModelSpec
from backends.parameters import BIASES, layer_names, shapes
from backends.torch import late

STOCK: dict[Cell, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class StockLayers(nn.Module):
    """``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``, all layers and directions in one call."""

    def __init__(self, model: ModelSpec) -> None:
        super().__init__()
        self.rnn = STOCK[model.cell](model.inputs, model.hidden, model.layers, bidirectional=model.bidirectional)
        if len(BIASES[model.cell]) == 1:  # torch sums two biases; the canonical cell has one
            for name, p in self.rnn.named_parameters():
                if name.startswith("bias_hh"):
                    p.requires_grad_(False).zero_()

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        if x.dtype == self.rnn.weight_ih_l0.dtype:
            return self._states(x, lengths)
        # as a user does: the library's own casts, which keep cuDNN's weights in one piece
        with torch.autocast(x.device.type, x.dtype):
            return self._states(x, lengths)

    def _states(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            hs: Tensor = self.rnn(x)[0]
            return hs
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        hs, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], total_length=x.shape[0])
        return hs


class LoopLayers(nn.Module):
    """One GEMM for the input projection of all steps, then a Python loop over time."""

    def __init__(self, model: ModelSpec) -> None:
        super().__init__()
        self.model = model
        self.weights = nn.ParameterDict(
            {name.replace(".", "_"): nn.Parameter(torch.zeros(shape))
             for name, shape in shapes(model).items() if not name.startswith("head")}
        )  # fmt: skip

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        below, directions = x, list[Tensor]()
        flip = backward_order(x, lengths)
        for _, backward, prefix in layer_names(self.model):
            if not backward and directions:
                below, directions = torch.cat(directions, dim=2), []
            hs = self._layer(prefix, flip(below) if backward else below)
            directions.append(flip(hs) if backward else hs)
        return torch.cat(directions, dim=2)

    def _layer(self, prefix: str, x: Tensor) -> Tensor:
        cell, p = self.model.cell, self._own(prefix, x.dtype)
        projected = nn.functional.linear(x, p["W_ih"], p[BIASES[cell][0]])
        return LOOPS[cell](projected, p)

    def _own(self, prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
        """One layer's weights by their canonical names, cast to ``dtype``."""
        own = {name: w for name, w in self.weights.items() if name.startswith(prefix + "_")}
        return {name.removeprefix(prefix + "_"): w.to(dtype) for name, w in own.items()}


class LateLayers(LoopLayers):
    """The loop with its way back by hand: see ``backends.torch.late``."""

    def __init__(self, model: ModelSpec) -> None:
        super().__init__(model)
        self.recurrences = {prefix: self.layer_of(model.cell)() for _, _, prefix in layer_names(model)}

    def layer_of(self, cell: Cell) -> type[late.Layer]:
        return late.LAYERS[cell]

    def _layer(self, prefix: str, x: Tensor) -> Tensor:
        p = self._own(prefix, x.dtype)
        hs: Tensor = late.Recurrence.apply(
            self.recurrences[prefix], x, p["W_ih"], p["W_hh"], *(p[b] for b in BIASES[self.model.cell])
        )
        return hs


class CompiledLayers(LateLayers):
    """The same with its element-wise work compiled: see ``backends.torch.compiled``, whose import takes seconds."""

    def layer_of(self, cell: Cell) -> type[late.Layer]:
        from backends.torch import compiled

        return compiled.LAYERS[cell]


def backward_order(x: Tensor, lengths: Tensor | None) -> Callable[[Tensor], Tensor]:
    """What puts sequences like x (T, B, …) into the order in which the backward direction reads them, and back."""
    if lengths is None:
        return lambda hs: hs.flip(0)
    t, ends = torch.arange(len(x), device=x.device)[:, None], lengths.to(x.device)
    order = torch.where(t < ends, ends - 1 - t, t)
    return lambda hs: ReverseWithin.apply(hs, order)


class ReverseWithin(torch.autograd.Function):
    """x (T, B, n) in ``order`` (T, B), its own inverse: so its gradient is a gather too, not a scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x[order, torch.arange(x.shape[1], device=x.device)]

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        return d_out[order, torch.arange(d_out.shape[1], device=d_out.device)], None


def rnn(projected: Tensor, p: dict[str, Tensor]) -> Tensor:
    U = p["W_hh"].t()
    h = projected.new_zeros(projected.shape[1], U.shape[0])
    hs = []
    for a in projected.unbind(0):
        h = torch.tanh(torch.addmm(a, h, U))
        hs.append(h)
    return torch.stack(hs)


def lstm(projected: Tensor, p: dict[str, Tensor]) -> Tensor:
    U = p["W_hh"].t()
    h = c = projected.new_zeros(projected.shape[1], U.shape[0])
    hs = []
    for a in projected.unbind(0):
        i, f, g, o = torch.addmm(a, h, U).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hs.append(h)
    return torch.stack(hs)


def gru(projected: Tensor, p: dict[str, Tensor]) -> Tensor:
    U, b_hh = p["W_hh"].t(), p["b_hh"]
    H = U.shape[0]
    h = projected.new_zeros(projected.shape[1], H)
    hs = []
    for a in projected.unbind(0):
        u = torch.addmm(b_hh, h, U)
        r, z = torch.sigmoid(a[:, : 2 * H] + u[:, : 2 * H]).chunk(2, dim=1)
        n = torch.tanh(a[:, 2 * H :] + r * u[:, 2 * H :])
        h = n + z * (h - n)
        hs.append(h)
    return torch.stack(hs)


def gru_reset_before(projected: Tensor, p: dict[str, Tensor]) -> Tensor:
    H = p["W_hh"].shape[1]
    U_rz, U_n = p["W_hh"][: 2 * H].t(), p["W_hh"][2 * H :].t()
    h = projected.new_zeros(projected.shape[1], H)
    hs = []
    for a in projected.unbind(0):
        r, z = torch.sigmoid(torch.addmm(a[:, : 2 * H], h, U_rz)).chunk(2, dim=1)
        n = torch.tanh(torch.addmm(a[:, 2 * H :], r * h, U_n))
        h = h + z * (n - h)
        hs.append(h)
    return torch.stack(hs)


LOOPS: dict[Cell, Callable[[Tensor, dict[str, Tensor]], Tensor]] = {
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "gru-reset-before": gru_reset_before,
}


VARIANTS: dict[str, Callable[[ModelSpec], nn.Module]] = {
    "nn": StockLayers,
    "nn-kept": StockLayers,
    "loop": LoopLayers,
    "late-dw": LateLayers,
    "compiled": CompiledLayers,
    "graph": StockLayers,
    "graph-late-dw": LateLayers,
}


class Network(nn.Module):
    """Recurrent layers, which compute in ``dtype``, and the linear readout, which does in that of its parameters.

    x (T, B, D) to (B, outputs) or (T, B, outputs).
    """

    def __init__(self, model: ModelSpec, variant: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.layers: nn.Module = VARIANTS[variant](model)
        self.head = nn.Linear(model.features, model.outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        hs = self.layers(x.to(self.dtype), lengths)
        if self.model.readout == "last":
            H = self.model.hidden
            final = hs[-1] if lengths is None else hs[lengths - 1, torch.arange(len(lengths))]
            # each slice costs the way back a pass over all of hs: none for a direction that is not there
            hs = torch.cat([final[:, :H], hs[0, :, H:]], dim=1) if self.model.bidirectional else final
        out: Tensor = self.head(hs.to(self.head.weight.dtype))
        return out
