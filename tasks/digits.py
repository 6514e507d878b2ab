"""Small handwritten digits, read as sequences. They come with scikit-learn, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np

from tasks.base import Array, DataUnavailable, Preset, Split
from tasks.classification import SequentialImages

SIDE = 8
#: The part of the fixed permutation that each split takes.
SPANS: dict[Split, slice] = {"train": slice(0, 1257), "validation": slice(1257, 1437), "test": slice(1437, 1797)}


@dataclass(frozen=True, kw_only=True)
class SequentialDigits(SequentialImages):
    """The 1,797 digits of 8×8 pixels that scikit-learn ships (UCI, Alpaydin & Kaynak 1998). Not MNIST.

    Read by rows (8 steps of 8 pixels) or by pixels (64 steps of 1). Pixels are divided by 16. A fixed
    permutation splits the images 1257/180/360. Score: ``accuracy``. Solved: test accuracy of at least
    0.95 by rows, 0.90 by pixels; no paper sets a level, these are ours.
    """

    name: ClassVar[str] = "sequential-digits"
    summary: ClassVar[str] = "name an 8x8 handwritten digit read row by row or pixel by pixel"
    milestones: ClassVar[tuple[float, ...]] = (0.90, 0.95)
    side: ClassVar[int] = SIDE
    solved_accuracy: ClassVar[Mapping[str, float]] = {"row": 0.95, "pixel": 0.90}
    sizes: ClassVar[Mapping[Split, int]] = {split: span.stop - span.start for split, span in SPANS.items()}
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(1500, 32, 50, 300, lr=5e-3, parameters={"order": "row"}),
        "quick": Preset(2000, 64, 50, 200, lr=5e-3, parameters={"order": "row"}),
        # No paper has this task; these sizes are ours.
        "paper": Preset(10_000, 128, 50, 250, lr=1e-3, parameters={"order": "pixel"}),
    }

    order: Literal["row", "pixel"] = "row"

    def examples(self, split: Split) -> tuple[Array, Array]:
        """Images (n, 8, 8), float32 in [0, 1], and labels (n,).

        Raises:
            DataUnavailable: scikit-learn is not installed.
        """
        images, labels = digits()
        return images[SPANS[split]], labels[SPANS[split]]

    def sequences(self, examples: Array) -> Array:
        """Images (n, 8, 8) as sequences (n, length, inputs)."""
        return examples.reshape(len(examples), self.steps_in, self.inputs)


@cache
def digits() -> tuple[Array, Array]:
    """All images (1797, 8, 8), float32 in [0, 1], and labels (1797,), in the fixed order.

    Raises:
        DataUnavailable: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataUnavailable("sequential-digits needs scikit-learn; pip install scikit-learn") from None
    found = load_digits()
    order = np.random.RandomState(0).permutation(len(found.target))
    return (found.images / 16).astype(np.float32)[order], found.target[order]
