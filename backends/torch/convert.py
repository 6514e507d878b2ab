"""Canonical parameters and a network's own tensors: the canonical layout is torch's, so that only names differ."""

from __future__ import annotations

from torch import Tensor

from backends.job import ModelSpec
from backends.parameters import shapes
from backends.torch.layers import StockLayers
from backends.torch.network import Network


def tensors(network: Network, model: ModelSpec) -> dict[str, Tensor]:
    """Each canonical name with the trainable tensor that holds it, in canonical order."""
    own = dict(network.named_parameters())
    stock = isinstance(network.layers, StockLayers)
    return {name: own[_stock_name(name) if stock else _loop_name(name)] for name in shapes(model)}


def _head_name(name: str) -> str:
    return {"head.W": "head.weight", "head.b": "head.bias"}[name]


def _stock_name(name: str) -> str:
    """``l1r.W_ih`` is ``layers.rnn.weight_ih_l1_reverse``; a single bias lives in ``bias_ih``."""
    prefix, array = name.split(".")
    if prefix == "head":
        return _head_name(name)
    own = {"W_ih": "weight_ih", "W_hh": "weight_hh", "b": "bias_ih", "b_ih": "bias_ih", "b_hh": "bias_hh"}[array]
    layer = prefix.removesuffix("r")
    return f"layers.rnn.{own}_{layer}" + ("_reverse" if prefix.endswith("r") else "")


def _loop_name(name: str) -> str:
    return _head_name(name) if name.startswith("head") else f"layers.weights.{name.replace('.', '_')}"
