"""NumPy has no layer to call: a plain loop around the network of the backend's variant ``hoisted``.

The one bare script that is not independent: it shows what the harness adds to that network, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backends.job import Job, ModelSpec, OptimizerSpec
from backends.numpy.optimizer import clip
from backends.numpy.trainer import NumpyTrainer
from backends.numpy.variants import VARIANTS
from backends.parameters import InitialisationSpec, initial

if TYPE_CHECKING:
    from loader import Sizes


def program(sizes: Sizes) -> tuple[Any, Callable[[Any], Any]]:
    """Two functions: one puts a batch where training wants it, one does an update per batch and gives the losses."""
    model = ModelSpec(sizes.cell, sizes.features, sizes.hidden, sizes.outputs, sizes.readout)
    rule = OptimizerSpec(lr=sizes.lr)
    job = Job(model, sizes.loss, rule, batch=sizes.batch, length=sizes.length, variant="hoisted", threads=2)
    start = {name: p.astype("float32") for name, p in initial(model, InitialisationSpec(), 0).items()}
    trainer = NumpyTrainer(job, start, VARIANTS["hoisted"])
    (part,) = trainer.parts

    def train(batches: Sequence[tuple[Any, Any]]) -> Any:
        losses = []
        for x, y in batches:
            losses.append(part.network.loss_and_gradients(x, y, None))
            clip(np, rule, part.flat_grads)
            trainer.optimizer.update(trainer.flat, part.flat_grads)
        return losses

    def stage(x: Any, y: Any) -> tuple[Any, Any]:
        y = y if sizes.readout == "last" else np.ascontiguousarray(y.swapaxes(0, 1))
        return np.ascontiguousarray(x.swapaxes(0, 1)), y

    return stage, train
