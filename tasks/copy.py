"""The copy problem: remember a string over a long delay, then repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import ClassVar

import numpy as np

from tasks.base import Array, Batch, Loss, Preset, Readout, correct, loss_value
from tasks.synthetic import Synthetic

#: The task is solved at this recall accuracy or above.
SOLVED_RECALL = 0.99


@dataclass(frozen=True, kw_only=True)
class Copy(Synthetic):
    """Input: S symbols out of K, T−1 blanks, a delimiter, S blanks. Target: T+S blanks, then the S symbols.

    Arjovsky et al. 2016, with T = ``delay``, S = ``symbols`` and K = ``alphabet``: T+2S steps, inputs
    one-hot over K+2, cross-entropy over K+1 classes at every step. Classes 0…K−1 are the symbols,
    K is the blank; input K+1 is the delimiter. Scores: ``recall_accuracy`` and ``recall_loss`` over
    the last S steps; ``accuracy`` over all steps, which misleads: blanks alone give 99.1 % at T=1000.
    Solved: recall accuracy of at least 0.99.
    """

    name: ClassVar[str] = "copy"
    summary: ClassVar[str] = "repeat a string of symbols after a long silence"
    loss: ClassVar[Loss] = "cross-entropy"
    score_name: ClassVar[str] = "recall_accuracy"
    higher_is_better: ClassVar[bool] = True
    milestones: ClassVar[tuple[float, ...]] = (0.5, 0.99)
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(800, 64, 32, 200, lr=5e-3, parameters={"delay": 10, "symbols": 4}),
        # Ten symbols after a delay of 20 take an LSTM longer than that: recall 0.80 after 4000 steps.
        "quick": Preset(4000, 128, 64, 400, lr=5e-3, parameters={"delay": 10, "symbols": 5}),
        # Arjovsky et al. 2016 and Wisdom et al. 2016 at T = 1000, LSTM-128, batches of 128.
        "paper": Preset(20_000, 128, 128, 500, lr=1e-3, optimizer="rmsprop", parameters={"delay": 1000}),
    }

    delay: int = 20
    symbols: int = 10
    alphabet: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.delay >= 1, f"delay must be at least 1, not {self.delay}")
        self.require(self.symbols >= 1, f"symbols must be at least 1, not {self.symbols}")
        self.require(self.alphabet >= 2, f"alphabet must be at least 2, not {self.alphabet}")

    @property
    def steps_in(self) -> int:
        """T+2S."""
        return self.delay + 2 * self.symbols

    @property
    def inputs(self) -> int:
        """K+2: symbols, blank and delimiter, one-hot."""
        return self.alphabet + 2

    @property
    def outputs(self) -> int:
        """K+1 classes: symbols and blank."""
        return self.alphabet + 1

    @property
    def readout(self) -> Readout:
        """At every step."""
        return "every"

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw ``count`` fresh sequences: x (count, T+2S, K+2), one-hot float32; y (count, T+2S), int32."""
        S, K = self.symbols, self.alphabet
        string = rng.integers(0, K, (count, S), dtype=np.int32)
        shown = np.full((count, self.steps_in), K, dtype=np.int32)
        y = shown.copy()
        shown[:, :S] = string
        shown[:, S + self.delay - 1] = K + 1
        y[:, -S:] = string
        x = np.zeros((*shown.shape, K + 2), dtype=np.float32)
        np.put_along_axis(x, shown[..., None], 1, axis=2)
        return Batch(x, y)

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        """Recall accuracy and loss over the last S steps, accuracy over all, of logits (batch, T+2S, K+1)."""
        hits, S = correct(predictions, batch.y), self.symbols
        return {
            "recall_accuracy": float(hits[:, -S:].mean()),
            "accuracy": float(hits.mean()),
            "recall_loss": loss_value(self.loss, predictions[:, -S:], batch.y[:, -S:]),
        }

    @property
    def baseline(self) -> Mapping[str, float]:
        """Blanks for the first T+S steps, then symbols at random."""
        S, K, steps = self.symbols, self.alphabet, self.steps_in
        return {
            "loss": S * log(K) / steps,
            "recall_accuracy": 1 / K,
            "accuracy": (steps - S + S / K) / steps,
            "recall_loss": log(K),
        }

    @property
    def landmarks(self) -> Mapping[str, float]:
        """The loss of that baseline."""
        return {"blanks, then chance": self.baseline["loss"]}

    def solved(self, scores: Mapping[str, float]) -> bool:
        """Whether the recall accuracy is at least 0.99."""
        return scores["recall_accuracy"] >= SOLVED_RECALL
