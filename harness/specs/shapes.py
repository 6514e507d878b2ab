"""Named shapes, and what a list of sizes may vary."""

from __future__ import annotations

from typing import Any

_BRAUN: dict[str, Any] = {
    "cell": "lstm", "features": 123, "hidden": 320, "layers": 1, "bidirectional": False,
    "loss": "cross-entropy", "readout": "last", "outputs": 10,
}  # fmt: skip


#: Named shapes: a part of a spec each; what they leave open is the default's. ``all`` stands for these.
SHAPES: dict[str, dict[str, Any]] = {
    "A": {"batch": 64, "length": 100, "features": 10, "hidden": 50},  # the model that many tutorials show
    "B": {"batch": 64, "length": 100, "features": 10, "hidden": 128},
    "C": {"batch": 128, "length": 28, "features": 28, "hidden": 128, "outputs": 10, "loss": "cross-entropy"},  # rows
    "D": {"batch": 64, "length": 784, "features": 1, "hidden": 128, "outputs": 10, "loss": "cross-entropy"},  # pixels
    "E": {"batch": 32, "length": 50, "features": 28, "hidden": 512},
    # braun-ce-short under its older name
    "F": {"batch": 64, "length": 100, "features": 123, "hidden": 320, "outputs": 10, "loss": "cross-entropy"},
}


#: The models of Braun 2018, "LSTM benchmarks for deep learning frameworks" (arXiv:1806.01818).
BRAUN: dict[str, dict[str, Any]] = {
    "braun-ce-short": _BRAUN | {"batch": 64, "length": 100},
    "braun-ce-long": _BRAUN | {"batch": 32, "length": 1000},
    "braun-bi-ce-long": _BRAUN | {"batch": 32, "length": 1000, "layers": 4, "bidirectional": True},
    "braun-bi-ctc-long": _BRAUN | {
        "batch": 32, "length": 1000, "shortest": 500, "layers": 4, "bidirectional": True, "loss": "ctc",
        "readout": "every", "outputs": 59, "labels": 100,
    },
}  # fmt: skip


ALL_SHAPES = SHAPES | BRAUN


DEFAULT_SHAPE = SHAPES["B"]


#: What a list may vary, in the order in which it does.
SIZES = ("batch", "length", "features", "hidden", "layers")
