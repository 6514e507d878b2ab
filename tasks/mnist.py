"""MNIST, read as sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from tasks import mnist_files
from tasks.base import Array, Preset, Split
from tasks.classification import SequentialImages

SIDE = 28
PIXELS = SIDE * SIDE
#: The last images of the training files, kept for validation.
VALIDATION = 5_000


@dataclass(frozen=True, kw_only=True)
class SequentialMnist(SequentialImages):
    """Handwritten digits of 28×28 pixels, read as sequences (Le, Jaitly & Hinton 2015).

    ``pixel``: 784 steps of one pixel, in scanline order. ``permuted``: the same pixels in one fixed
    random order; most papers share that of ``permutation_seed`` 92916. ``row``: 28 steps of one row,
    quick to train and *no* test of long memory. Pixels are divided by 255. The last 5,000 of the
    60,000 training images are the validation split. Score: ``accuracy``. Solved at a test accuracy of
    row 0.97, pixel 0.95 (published LSTMs: 97.8 to 98.9 %), permuted 0.88 (88 to 91.3 %).
    """

    name: ClassVar[str] = "sequential-mnist"
    summary: ClassVar[str] = "name a 28x28 handwritten digit read row by row or pixel by pixel"
    milestones: ClassVar[tuple[float, ...]] = (0.90, 0.95, 0.97)
    side: ClassVar[int] = SIDE
    solved_accuracy: ClassVar[Mapping[str, float]] = {"row": 0.97, "pixel": 0.95, "permuted": 0.88}
    sizes: ClassVar[Mapping[Split, int]] = {"train": 55_000, "validation": VALIDATION, "test": 10_000}
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(800, 64, 50, 200, lr=5e-3, parameters={"order": "row"}),
        "quick": Preset(2200, 128, 100, 275, lr=3e-3, parameters={"order": "row"}),
        # Cooijmans et al. 2017: LSTM-100, RMSprop 1e-3, batches of 100, clip 1, forget bias 1; 100 epochs of 550.
        "paper": Preset(55_000, 100, 100, 550, lr=1e-3, optimizer="rmsprop", parameters={"order": "pixel"}),
    }

    order: Literal["pixel", "permuted", "row"] = "row"
    permutation_seed: int = 92916

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range = 0 <= self.permutation_seed < 2**32
        self.require(in_range, f"permutation_seed must be at least 0 and below 2**32, not {self.permutation_seed}")

    @cached_property
    def permutation(self) -> Array:
        """Which pixel is read at each step when permuted, shape (784,)."""
        return np.random.RandomState(self.permutation_seed).permutation(PIXELS)

    def examples(self, split: Split) -> tuple[Array, Array]:
        """Images (n, 28, 28) and labels (n,), uint8.

        Raises:
            DataUnavailable: a file is missing or corrupt, and could not be downloaded.
        """
        images, labels = mnist_files.load("t10k" if split == "test" else "train")
        span = {"train": slice(-VALIDATION), "validation": slice(-VALIDATION, None), "test": slice(None)}[split]
        return images[span], labels[span]

    def sequences(self, examples: Array) -> Array:
        """Images (n, 28, 28) as sequences (n, length, inputs), float32 in [0, 1]."""
        pixels = examples.reshape(len(examples), PIXELS)
        if self.order == "permuted":
            pixels = pixels[:, self.permutation]
        return (pixels.astype(np.float32) / np.float32(255)).reshape(len(examples), self.steps_in, self.inputs)
