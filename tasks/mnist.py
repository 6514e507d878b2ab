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
        """Which pixel is read at each step when permuted, shape (side²,)."""
        return np.random.RandomState(self.permutation_seed).permutation(self.side**2)

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
        return self.in_order(examples.astype(np.float32) / np.float32(255))

    def in_order(self, images: Array) -> Array:
        """Images (n, side, side) in the order in which they are read, (n, length, inputs)."""
        pixels = images.reshape(len(images), self.side**2)
        if self.order == "permuted":
            pixels = pixels[:, self.permutation]
        return pixels.reshape(len(images), self.steps_in, self.inputs)


@dataclass(frozen=True, kw_only=True)
class SmallSequentialMnist(SequentialMnist):
    """MNIST reduced to 14×14 pixels, each the mean of four, and read as sequences of 196 pixels or 14 rows.

    A quarter of the steps of ``sequential-mnist``, for machines that cannot train 784 in a day. It is another, easier
    task, and no paper's: its figures never stand beside those of 28×28 pixels. Score, splits and permutation's
    generator are those of ``sequential-mnist``; so are the accuracies that solve it, which are ours here.
    """

    name: ClassVar[str] = "sequential-mnist-14"
    summary: ClassVar[str] = "name a digit of MNIST, reduced to 14x14 pixels, read row by row or pixel by pixel"
    side: ClassVar[int] = SIDE // 2
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(800, 64, 50, 200, lr=5e-3, parameters={"order": "row"}),
        "quick": Preset(2200, 128, 100, 275, lr=3e-3, parameters={"order": "row"}),
        # the update rule of the 28×28 task's, for 10 epochs
        "paper": Preset(5_500, 100, 100, 550, lr=1e-3, optimizer="rmsprop", parameters={"order": "pixel"}),
    }

    def sequences(self, examples: Array) -> Array:
        """Images (n, 28, 28), reduced, as sequences (n, length, inputs), float32 in [0, 1]."""
        four = examples.reshape(len(examples), self.side, 2, self.side, 2).sum((2, 4), dtype=np.uint16)
        return self.in_order(four.astype(np.float32) / np.float32(4 * 255))
