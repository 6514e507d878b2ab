"""The adding problem: remember two marked numbers of a long sequence, and add them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from tasks.base import Array, Batch, Loss, Preset, Readout, loss_value
from tasks.synthetic import Synthetic

#: The task is solved below this test MSE.
SOLVED_MSE = 0.01
#: A prediction counts as right within this distance of the target.
CLOSE = 0.04


@dataclass(frozen=True, kw_only=True)
class Adding(Synthetic):
    """x_t = (u_t, m_t), u uniform on [0, 1), m_t = 1 at two marked steps; y is the sum of the two marked u.

    Hochreiter & Schmidhuber 1997, in the form used since Arjovsky et al. 2016: one marker in each
    half. ``markers="anywhere"`` is the form of Bai et al. 2018: two distinct steps of the whole.
    Scores: ``mse``, and ``within_0.04``, the share of sequences with |error| < 0.04.
    Solved: test MSE below 0.01.
    """

    name: ClassVar[str] = "adding"
    summary: ClassVar[str] = "add the two marked numbers of a long sequence"
    loss: ClassVar[Loss] = "mse"
    score_name: ClassVar[str] = "mse"
    milestones: ClassVar[tuple[float, ...]] = (0.05, 0.01)
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(800, 32, 50, 200, lr=5e-3, parameters={"length": 30}),
        "quick": Preset(3000, 64, 50, 250, lr=5e-3, parameters={"length": 100}),
        # Bai et al. 2018, table 1: LSTM-130, GRU-150, RNN-256 at about 70,000 parameters.
        "paper": Preset(50_000, 130, 32, 1000, lr=1e-3, parameters={"length": 600}),
    }

    length: int = 100
    markers: Literal["halves", "anywhere"] = "halves"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.length >= 2, f"length must be at least 2, not {self.length}")

    @property
    def steps_in(self) -> int:
        """``length``."""
        return self.length

    @property
    def inputs(self) -> int:
        """2: the value and its marker."""
        return 2

    @property
    def outputs(self) -> int:
        """1: the sum."""
        return 1

    @property
    def readout(self) -> Readout:
        """At the last step."""
        return "last"

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw ``count`` fresh sequences: x (count, length, 2) and y (count, 1), float32."""
        first, second = self._marked(rng, count)
        rows = np.arange(count)
        u = rng.random((count, self.length), dtype=np.float32)
        m = np.zeros_like(u)
        m[rows, first] = m[rows, second] = 1
        y = u[rows, first] + u[rows, second]
        return Batch(np.stack([u, m], axis=2), y[:, None])

    def _marked(self, rng: np.random.Generator, count: int) -> tuple[Array, Array]:
        T = self.length
        if self.markers == "halves":
            return rng.integers(0, T // 2, count), rng.integers(T // 2, T, count)
        first = rng.integers(0, T, count)
        return first, (first + rng.integers(1, T, count)) % T

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        """``mse``, and ``within_0.04`` as a share from 0 to 1, of predictions (batch, 1)."""
        error = np.abs(predictions.astype(np.float64) - batch.y)
        return {"mse": loss_value("mse", predictions, batch.y), "within_0.04": float(np.mean(error < CLOSE))}

    @property
    def baseline(self) -> Mapping[str, float]:
        """Always answering 1, the mean: its MSE is the variance of the sum of two uniforms, 2/12."""
        return {"loss": 1 / 6, "mse": 1 / 6}

    @property
    def landmarks(self) -> Mapping[str, float]:
        """MSE of always answering 1, and of knowing one of the two marked values."""
        return {"always 1": 1 / 6, "one marker known": 1 / 12}

    def solved(self, scores: Mapping[str, float]) -> bool:
        """Whether the test MSE is below 0.01."""
        return scores["mse"] < SOLVED_MSE
