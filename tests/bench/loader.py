"""A script of this folder as a module, by its path: ``bare/torch.py`` must never be found where torch is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

HERE = Path(__file__).resolve().parent


class Sizes(NamedTuple):
    """What a script is to train: one layer, clipped gradients and Adam.

    Attributes:
        loss: ``mse`` against targets (batch, outputs), or ``cross-entropy`` of logits against classes (batch,).
        readout: ``last``, or ``every`` step; targets are then (batch, length, outputs) or (batch, length).
    """

    cell: Literal["lstm", "gru"]
    batch: int
    length: int
    features: int
    hidden: int
    outputs: int
    loss: Literal["mse", "cross-entropy"]
    lr: float
    readout: Literal["last", "every"] = "last"

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Sizes:
        """Those of a speed spec as JSON. Raises ValueError for a model that no script has."""
        model = spec["model"]
        if model["layers"] > 1 or model["bidirectional"] or spec["readout"] != "last" or spec["shortest"]:
            raise ValueError("a script has one layer of one direction, read out at the last step of equal lengths")
        return cls(
            model["cell"], spec["batch"], spec["length"], spec["features"], model["hidden"], spec["outputs"],
            spec["loss"], spec["optimizer"]["lr"],
        )  # fmt: skip


def script(name: str) -> ModuleType:
    """``torch``, ``tensorflow``, ``jax`` or ``numpy`` for a bare script, ``keras_fit`` for Keras's own loop.

    Its function ``program`` takes ``Sizes`` and gives two functions: one stages a batch (x, y) where training wants it,
    one does an update per staged batch and gives the losses. A bare script of a framework has ``prediction``, too: its
    second function predicts each batch at its last step, from the host and back, and gives the outputs.
    """
    path = HERE / "keras_fit.py" if name == "keras_fit" else HERE / "bare" / f"{name}.py"
    spec = spec_from_file_location(f"script_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
