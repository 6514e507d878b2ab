"""Canonical parameters and a network's own tensors: the canonical layout is torch's, so that only names differ."""

from __future__ import annotations

from torch import Tensor

from backends.job import ModelSpec
from backends.parameters import shapes
from backends.torch.layers import StockLayers
from backends.torch.names import HEAD, stock_name
from backends.torch.network import Network


def tensors(network: Network, model: ModelSpec) -> dict[str, Tensor]:
    """Each canonical name with the trainable tensor that holds it, in canonical order."""
    own = dict(network.named_parameters())
    stock = isinstance(network.layers, StockLayers)
    return {name: own[_stock_name(name) if stock else _loop_name(name)] for name in shapes(model)}


def _stock_name(name: str) -> str:
    return f"head.{HEAD[name]}" if name in HEAD else f"layers.rnn.{stock_name(name)}"


def _loop_name(name: str) -> str:
    return f"head.{HEAD[name]}" if name in HEAD else f"layers.weights.{name.replace('.', '_')}"
