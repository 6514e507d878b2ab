"""Recurrent layers, computed as the variant's entry says, and the linear readout."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from backends.job import ModelSpec


class Network(nn.Module):
    """Maps x (T, B, D) to (B, outputs) or (T, B, outputs).

    Args:
        model: its sizes and its readout.
        layers: the recurrent layers' module, constructed with ``model``.
        dtype: of the recurrent layers; the readout computes in the type of its parameters.
    """

    def __init__(self, model: ModelSpec, layers: Callable[[ModelSpec], nn.Module], dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.dtype = model, dtype
        self.layers = layers(model)
        self.head = nn.Linear(model.features, model.outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The outputs for x (T, B, D) and, if lengths vary, lengths (B,) on the host."""
        hs = self.layers(x.to(self.dtype), lengths)
        if self.model.readout == "last":
            H = self.model.hidden
            final = hs[-1] if lengths is None else hs[lengths - 1, torch.arange(len(lengths))]
            # each slice costs the backward pass a pass over all of hs: none for a missing direction
            hs = torch.cat([final[:, :H], hs[0, :, H:]], dim=1) if self.model.bidirectional else final
        out: Tensor = self.head(hs.to(self.head.weight.dtype))
        return out
