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
        layers: the recurrent layers' module, constructed with ``model`` and whether the layers stand apart.
        dtype: of the recurrent layers; the readout computes in the type of its parameters.
        scale: of what dropout keeps between layers, in training; None without dropout.
    """

    def __init__(
        self,
        model: ModelSpec,
        layers: Callable[[ModelSpec, bool], nn.Module],
        dtype: torch.dtype,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.model, self.dtype, self.scale = model, dtype, scale
        self.layers = layers(model, scale is not None)
        self.head = nn.Linear(model.features, model.outputs)

    def forward(self, x: Tensor, lengths: Tensor | None = None, masks: Tensor | None = None) -> Tensor:
        """The outputs for x (T, B, D) and, if lengths vary, lengths (B,) on the host.

        ``masks`` (layers - 1, T, B, features) say what is kept between layers, in training with dropout.
        """
        between = None if masks is None else lambda index, hs: hs * masks[index] * self.scale
        hs = self.layers(x.to(self.dtype), lengths, between)
        if self.model.readout == "last":
            H = self.model.hidden
            final = hs[-1] if lengths is None else hs[lengths - 1, torch.arange(len(lengths))]
            # each slice costs the backward pass a pass over all of hs: none for a missing direction
            hs = torch.cat([final[:, :H], hs[0, :, H:]], dim=1) if self.model.bidirectional else final
        out: Tensor = self.head(hs.to(self.head.weight.dtype))
        return out
