"""Canonical parameters and a network's own tensors: the canonical layout is torch's, so that only names differ."""

from __future__ import annotations

import re

from torch import Tensor

from backends.job import ModelSpec
from backends.parameters import shapes
from backends.torch.layers import StockLayers
from backends.torch.names import HEAD, stock_name
from backends.torch.network import Network


def tensors(network: Network, model: ModelSpec) -> dict[str, Tensor]:
    """Each canonical name with the trainable tensor that holds it, in canonical order."""
    own = dict(network.named_parameters())
    if not isinstance(network.layers, StockLayers):
        return {name: own[_loop_name(name)] for name in shapes(model)}
    apart = len(network.layers.rnns) > 1
    return {name: own[_stock_name(name, apart)] for name in shapes(model)}


def _stock_name(name: str, apart: bool) -> str:
    if name in HEAD:
        return f"head.{HEAD[name]}"
    if not apart:
        return f"layers.rnns.0.{stock_name(name)}"
    index, rest = re.fullmatch(r"l(\d+)(r?\..*)", name).groups()  # type: ignore[union-attr]
    return f"layers.rnns.{index}.{stock_name('l0' + rest)}"


def _loop_name(name: str) -> str:
    return f"head.{HEAD[name]}" if name in HEAD else f"layers.weights.{name.replace('.', '_')}"
