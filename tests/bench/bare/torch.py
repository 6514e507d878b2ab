"""What a user of PyTorch writes: ``nn.LSTM`` or ``nn.GRU``, a linear head, a clipped gradient, fused Adam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from loader import Sizes

CLIP = 1.0


def model(sizes: Sizes) -> tuple[Any, Any]:
    """The recurrent layer and the head."""
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[sizes.cell](sizes.features, sizes.hidden)
    if sizes.cell == "lstm":
        layer.bias_hh_l0.requires_grad_(False).zero_()  # one bias per gate, as everywhere else
    return layer, torch.nn.Linear(sizes.hidden, sizes.outputs)


def prediction(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one leaves a batch on the host, one gives the outputs of each batch, on the host."""
    layer, head = model(sizes)

    def predict(batches: Sequence[tuple[Any, Any]]) -> Any:
        with torch.inference_mode():
            inputs = (torch.from_numpy(np.ascontiguousarray(x.swapaxes(0, 1))) for x, _ in batches)
            return [head(layer(x)[0][-1]).numpy() for x in inputs]

    return lambda x, y: (x, y), predict


def program(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one puts a batch where training wants it, one does an update per batch and gives the losses."""
    layer, head = model(sizes)
    loss_of = {"mse": torch.nn.functional.mse_loss, "cross-entropy": torch.nn.functional.cross_entropy}[sizes.loss]
    parameters = [p for p in (*layer.parameters(), *head.parameters()) if p.requires_grad]
    adam = torch.optim.Adam(parameters, sizes.lr, fused=True)

    def stage(x: Any, y: Any) -> tuple[Any, Any]:
        y = y if sizes.readout == "last" else np.ascontiguousarray(y.swapaxes(0, 1))
        return torch.from_numpy(np.ascontiguousarray(x.swapaxes(0, 1))), torch.from_numpy(
            y if sizes.loss == "mse" else y.astype("int64")
        )

    def loss_at(x: Any, y: Any) -> Any:
        hs = layer(x)[0]
        out = head(hs[-1] if sizes.readout == "last" else hs)
        return loss_of(out, y) if sizes.loss == "mse" else loss_of(out.reshape(-1, sizes.outputs), y.reshape(-1))

    def train(batches: Sequence[tuple[Any, Any]]) -> Any:
        losses = []
        for x, y in batches:
            adam.zero_grad(set_to_none=True)
            loss = loss_at(x, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            adam.step()
            losses.append(loss.detach())
        return torch.stack(losses).numpy()

    return stage, train
