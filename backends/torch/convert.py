"""Canonical parameters and a network's own tensors: the canonical layout is torch's, so that only names differ."""

from __future__ import annotations

from torch import Tensor

from backends.job import ModelSpec
from backends.parameters import shapes
from backends.torch.names import HEAD
from backends.torch.network import Network


def tensors(network: Network, model: ModelSpec) -> dict[str, Tensor]:
    """Each canonical name with the trainable tensor that holds it, in canonical order."""
    own = dict(network.named_parameters())
    return {
        name: own[f"head.{HEAD[name]}" if name in HEAD else f"layers.{network.layers.own_name(name)}"]
        for name in shapes(model)
    }
