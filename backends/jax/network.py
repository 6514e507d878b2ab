"""The model as a pure function: a stack of recurrent layers and the linear readout."""

from __future__ import annotations

from backends.jax.cells import Tensor, Tensors
from backends.jax.layers import Between, Stack
from backends.job import ModelSpec


def network(
    layers: Stack,
    model: ModelSpec,
    parameters: Tensors,
    x: Tensor,
    lengths: Tensor | None = None,
    between: Between | None = None,
) -> Tensor:
    """x (T, B, D) to the outputs, (B, outputs) or (T, B, outputs).

    The layers compute in the type of x, to which their weights are cast, the readout in that of the parameters.
    """
    top = layers(model, parameters, x, lengths, between)
    hs = top.last if model.readout == "last" else top.every
    W, b = parameters["head.W"], parameters["head.b"]
    return hs.astype(W.dtype) @ W.T + b
