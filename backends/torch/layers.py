"""Recurrent layers over time: PyTorch's own, and a Python loop that hoists the input projection.

Both map x (T, B, D) to the top layer's hidden states (T, B, features), and compute in the type of x, whatever that of
their weights. Lengths (B,) are int64, on the host. What happens to the hidden states on their way from a layer to the
next is a function, ``between``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from backends.job import Cell, ModelSpec
from backends.parameters import BIASES, layer_names, shapes
from backends.torch.cells import CELLS
from backends.torch.names import stock_name

STOCK: dict[Cell, type[nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


Between = Callable[[int, Tensor], Tensor]
"""Maps the index of a layer and its hidden states (T, B, features) to what the next layer gets."""


class StockLayers(nn.Module):
    """``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``, all layers and directions in one call.

    Where they are to stand ``apart``, each layer is one call: torch's own dropout would draw its own masks.
    """

    def __init__(self, model: ModelSpec, apart: bool = False) -> None:
        super().__init__()
        widths = [model.width_into(index) for index in range(model.layers)] if apart else [model.inputs]
        layers = 1 if apart else model.layers
        self.rnns = nn.ModuleList(
            STOCK[model.cell](width, model.hidden, layers, bidirectional=model.bidirectional) for width in widths
        )
        if len(BIASES[model.cell]) == 1:  # torch sums two biases; the canonical cell has one
            for name, p in self.rnns.named_parameters():
                if name.partition(".")[2].startswith("bias_hh"):
                    p.requires_grad_(False).zero_()
        #: What computes each layer.
        self.calls: list[Any] = list(self.rnns)

    def own_name(self, name: str) -> str:
        """What the parameter of the canonical name ``name`` is called here."""
        if len(self.rnns) == 1:
            return f"rnns.0.{stock_name(name)}"
        index, rest = re.fullmatch(r"l(\d+)(r?\..*)", name).groups()  # type: ignore[union-attr]
        return f"rnns.{index}.{stock_name('l0' + rest)}"

    def forward(self, x: Tensor, lengths: Tensor | None = None, between: Between | None = None) -> Tensor:
        """Hidden states (T, B, features). Only layers that stand apart take ``between``."""
        for index, rnn in enumerate(self.calls):
            x = self._cast(rnn, between(index - 1, x) if between and index else x, lengths)
        return x

    def _cast(self, rnn: Any, x: Tensor, lengths: Tensor | None) -> Tensor:
        if x.dtype == rnn.weight_ih_l0.dtype:
            return self._states(rnn, x, lengths)
        # as a user would: the library's own casts keep cuDNN's weights in one piece. Each is used once: nothing to keep
        with torch.autocast(x.device.type, x.dtype, cache_enabled=False):
            return self._states(rnn, x, lengths)

    def _states(self, rnn: Any, x: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            hs: Tensor = rnn(x)[0]
            return hs
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        hs, _ = nn.utils.rnn.pad_packed_sequence(rnn(packed)[0], total_length=x.shape[0])
        return hs


class LoopLayers(nn.Module):
    """One GEMM for the input projection of all steps, then a Python loop over time."""

    def __init__(self, model: ModelSpec, apart: bool = False) -> None:
        super().__init__()
        del apart  # they always are
        self.model = model
        self.weights = nn.ParameterDict(
            {name.replace(".", "_"): nn.Parameter(torch.zeros(shape))
             for name, shape in shapes(model).items() if not name.startswith("head")}
        )  # fmt: skip

    def own_name(self, name: str) -> str:
        """As ``StockLayers.own_name``."""
        return f"weights.{name.replace('.', '_')}"

    def forward(self, x: Tensor, lengths: Tensor | None = None, between: Between | None = None) -> Tensor:
        """Hidden states (T, B, features), layer by layer."""
        below, directions = x, list[Tensor]()
        flip = backward_order(x, lengths)
        for index, backward, prefix in layer_names(self.model):
            if not backward and directions:
                below, directions = torch.cat(directions, dim=2), []
                below = between(index - 1, below) if between else below
            end_alone = index == self.model.layers - 1 and self.reads_end_alone(lengths)
            hs = self.layer(prefix, flip(below) if backward else below, end_alone)
            directions.append(flip(hs) if backward else hs)
        return torch.cat(directions, dim=2)

    def reads_end_alone(self, lengths: Tensor | None) -> bool:
        """Whether of the top layer only the step that is read last counts, as in a prediction it may."""
        return self.model.readout == "last" and lengths is None and not torch.is_grad_enabled()

    def layer(self, prefix: str, x: Tensor, end_alone: bool = False) -> Tensor:
        """Hidden states (T, B, H) of one layer in one direction, for x (T, B, D) in the order in which it reads.

        With ``end_alone`` that of the last step, (1, B, H).
        """
        cell, p = self.model.cell, self.own(prefix, x.dtype)
        rules, projected = CELLS[cell], nn.functional.linear(x, p["W_ih"], p[BIASES[cell][0]])
        step, hs = rules.step(p), []
        state = (projected.new_zeros(x.shape[1], self.model.hidden),) * rules.states
        for a in projected.unbind(0):
            state = step(a, state)
            hs += [] if end_alone else [state[0]]
        return state[0][None] if end_alone else torch.stack(hs)

    def own(self, prefix: str, dtype: torch.dtype) -> dict[str, Tensor]:
        """One layer's weights by their canonical names, cast to ``dtype``."""
        own = {name: w for name, w in self.weights.items() if name.startswith(prefix + "_")}
        return {name.removeprefix(prefix + "_"): w.to(dtype) for name, w in own.items()}


def backward_order(x: Tensor, lengths: Tensor | None) -> Callable[[Tensor], Tensor]:
    """A function that puts sequences like x (T, B, …) into the order in which the backward direction reads them.

    Applied twice, it changes nothing.
    """
    if lengths is None:
        return lambda hs: hs.flip(0)
    t, ends = torch.arange(len(x), device=x.device)[:, None], lengths.to(x.device)
    order = torch.where(t < ends, ends - 1 - t, t)
    return lambda hs: ReverseWithin.apply(hs, order)


class ReverseWithin(torch.autograd.Function):
    """x (T, B, n) in ``order`` (T, B), which is its own inverse: so the gradient is a gather too, not a scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        """x in the other order."""
        ctx.save_for_backward(order)
        return x[order, torch.arange(x.shape[1], device=x.device)]

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, None]:
        """The gradient in the other order."""
        (order,) = ctx.saved_tensors
        return d_out[order, torch.arange(d_out.shape[1], device=d_out.device)], None
