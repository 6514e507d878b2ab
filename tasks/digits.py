"""Small handwritten digits, read as sequences. Comes with scikit-learn: no download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np

from tasks.base import Array, DataUnavailable, Preset, Split
from tasks.classification import Classification

SIDE = 8
#: Where each split lies in the fixed order.
SPANS: dict[Split, slice] = {"train": slice(0, 1257), "validation": slice(1257, 1437), "test": slice(1437, 1797)}
SOLVED_ACCURACY = {"row": 0.95, "pixel": 0.90}


@dataclass(frozen=True, kw_only=True)
class SequentialDigits(Classification):
    """The 1,797 digits of 8×8 pixels that scikit-learn carries (UCI, Alpaydin & Kaynak 1998). Not MNIST.

    Row by row (8 steps of 8), or pixel by pixel (64 steps of 1). Pixels /16. A fixed permutation splits
    them 1257/180/360. Score: ``accuracy``. Solved: test accuracy of at least 0.95 by rows, 0.90 by
    pixels; both are ours, no paper sets one.
    """

    name: ClassVar[str] = "sequential-digits"
    summary: ClassVar[str] = "name an 8x8 handwritten digit read row by row or pixel by pixel"
    milestones: ClassVar[tuple[float, ...]] = (0.90, 0.95)
    sizes: ClassVar[Mapping[Split, int]] = {split: span.stop - span.start for split, span in SPANS.items()}
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(1500, 32, 50, 300, lr=5e-3, parameters={"order": "row"}),
        "quick": Preset(2000, 64, 50, 200, lr=5e-3, parameters={"order": "row"}),
        # No paper has this task; these sizes are ours.
        "paper": Preset(10_000, 128, 50, 250, lr=1e-3, parameters={"order": "pixel"}),
    }

    order: Literal["row", "pixel"] = "row"

    @property
    def steps_in(self) -> int:
        return SIDE if self.order == "row" else SIDE * SIDE

    @property
    def inputs(self) -> int:
        return SIDE if self.order == "row" else 1

    def examples(self, split: Split) -> tuple[Array, Array]:
        images, labels = digits()
        return images[SPANS[split]], labels[SPANS[split]]

    def sequences(self, examples: Array) -> Array:
        return examples.reshape(len(examples), self.steps_in, self.inputs)

    def solved(self, scores: Mapping[str, float]) -> bool:
        return scores["accuracy"] >= SOLVED_ACCURACY[self.order]


@cache
def digits() -> tuple[Array, Array]:
    """Images (1797, 8, 8), float32 in [0, 1], and labels, in the fixed order."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataUnavailable("sequential-digits needs scikit-learn; pip install scikit-learn") from None
    found = load_digits()
    order = np.random.RandomState(0).permutation(len(found.target))
    return (found.images / 16).astype(np.float32)[order], found.target[order]
