"""Forecasting a noisy sine wave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from tasks.base import Array, Batch, Loss, Predict, Preset, Readout, generator, loss_value
from tasks.synthetic import HELD_OUT, Synthetic

AMPLITUDES = (0.5, 1.0)
PERIODS = (10.0, 50.0)
#: Steps that the model may watch before it is judged, and order of the linear predictor it must beat.
BURN_IN = ORDER = 20
#: Below this a wave counts as predicted, whatever a linear predictor reaches.
SOLVED_MSE = 1e-3
FIT_WINDOWS = 20_000
HORIZON = 50
FORECASTS = 500


@dataclass(frozen=True, kw_only=True)
class Sine(Synthetic):
    """c_t = A sin(2πt/P + φ); the input is c_t + noise·N(0, 1), the target the clean c_{t+1}.

    A uniform on [0.5, 1), P log-uniform on [10, 50) steps, φ uniform on [0, 2π). ``features`` sensors
    see the same wave, each with noise of its own. No standard exists: this definition is ours.

    Scores: ``mse`` over steps t ≥ 20, or at the last step with ``readout="last"``; at the end
    ``forecast_mse``, of 50 further clean steps predicted one by one, each prediction fed back as the
    next reading of every sensor, from the first 500 test sequences.
    Solved: ``mse`` below that of the pooled linear AR(20) predictor, or below 0.001: as the noise goes
    to 0 a linear predictor is exact up to rounding, and no network need match that.
    """

    name: ClassVar[str] = "sine"
    summary: ClassVar[str] = "predict the next clean value of a noisy sine wave"
    loss: ClassVar[Loss] = "mse"
    score_name: ClassVar[str] = "mse"
    milestones: ClassVar[tuple[float, ...]] = (0.016, 0.005)
    presets: ClassVar[Mapping[str, Preset]] = {
        "smoke": Preset(1000, 16, 32, 250, lr=1e-2, parameters={"length": 50}),
        "quick": Preset(3000, 32, 64, 250, lr=5e-3, parameters={"length": 100}),
        # No paper has this task; these sizes are ours.
        "paper": Preset(20_000, 128, 64, 500, lr=1e-3, parameters={"length": 200}),
    }

    length: int = 100
    noise: float = 0.1
    features: int = 1
    readout: Readout = "every"

    def __post_init__(self) -> None:
        super().__post_init__()
        shortest = ORDER + 1  # the first judged step, and all that the linear predictor looks at
        self.require(self.length >= shortest, f"length must be at least {shortest}, not {self.length}")
        self.require(self.noise >= 0, f"noise must be at least 0, not {self.noise}")
        self.require(self.features >= 1, f"features must be at least 1, not {self.features}")

    @property
    def steps_in(self) -> int:
        return self.length

    @property
    def inputs(self) -> int:
        return self.features

    @property
    def outputs(self) -> int:
        return 1

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """x (count, length, features); y (count, length, 1), or (count, 1) read out last; float32."""
        c = waves(rng, count, self.length + 1).astype(np.float32)
        hiss = rng.standard_normal((count, self.length, self.features), dtype=np.float32)
        x = c[:, :-1, None] + np.float32(self.noise) * hiss
        return Batch(x, c[:, 1:, None] if self.readout == "every" else c[:, -1:])

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        judged = slice(BURN_IN if self.readout == "every" else 0, None)
        return {"mse": loss_value("mse", predictions[:, judged], batch.y[:, judged])}

    def closing_scores(self, predict: Predict) -> dict[str, float]:
        """Forecast with a window that slides over its own predictions, so that no shape ever changes."""
        truth = waves(generator(0, "test", 0), HELD_OUT["test"], self.length + HORIZON)[:FORECASTS, self.length :]
        window = self.batch("test", 0, FORECASTS).x
        forecast = np.empty_like(truth)
        for step in range(HORIZON):
            out = predict(window)
            forecast[:, step] = out[:, -1, 0] if self.readout == "every" else out[:, 0]
            reading = np.repeat(forecast[:, step, None, None], self.features, axis=2)
            window = np.concatenate([window[:, 1:], reading], axis=1, dtype=window.dtype)
        return {"forecast_mse": loss_value("mse", forecast, truth)}

    @property
    def baseline(self) -> Mapping[str, float]:
        """Linear regression on the last 20 readings; for the long forecast, always answering 0."""
        return {"mse": self.autoregression, "forecast_mse": mean_square()}

    @property
    def landmarks(self) -> Mapping[str, float]:
        return {
            "zero": mean_square(),
            "persistence": mean_square_step() + self.noise**2 / self.features,
            f"AR({ORDER})": self.autoregression,
        }

    @cached_property
    def autoregression(self) -> float:
        """MSE on the test split of the linear predictor fitted by least squares, over all waves at once.

        The sensors are interchangeable, so it weighs them equally: it sees their mean, whose noise is
        smaller by √features. Waves are stationary, so windows of fresh waves serve for any length.
        """
        weights = linear_predictor(ORDER, self.noise / np.sqrt(self.features))
        test = self.held_out("test")
        readings = test.x.mean(axis=2, dtype=np.float64)
        judged = self.length - BURN_IN
        predictions = sum(w * readings[:, 1 + lag : 1 + lag + judged] for lag, w in enumerate(weights))
        if self.readout == "last":
            return loss_value("mse", predictions[:, -1:], test.y)
        return loss_value("mse", predictions, test.y[:, BURN_IN:, 0])

    def solved(self, scores: Mapping[str, float]) -> bool:
        return scores["mse"] < max(self.autoregression, SOLVED_MSE)


def waves(rng: np.random.Generator, count: int, length: int) -> Array:
    """``count`` clean waves (count, length) in float64."""
    A = rng.uniform(*AMPLITUDES, (count, 1))
    P = np.exp(rng.uniform(np.log(PERIODS[0]), np.log(PERIODS[1]), (count, 1)))
    phi = rng.uniform(0, 2 * np.pi, (count, 1))
    c: Array = A * np.sin(2 * np.pi * np.arange(length) / P + phi)
    return c


def linear_predictor(order: int, noise: float) -> Array:
    """Weights (order,), oldest first, of the readings that best predict the next clean value."""
    rng = generator(0, "train", 0)
    c = waves(rng, FIT_WINDOWS, order + 1)
    readings = c[:, :-1] + noise * rng.standard_normal((FIT_WINDOWS, order))
    weights: Array = np.linalg.lstsq(readings, c[:, -1], rcond=None)[0]
    return weights


def mean_square() -> float:
    """E[c²] = E[A²]/2."""
    low, high = AMPLITUDES
    return (high**3 - low**3) / (high - low) / 6


def mean_square_step() -> float:
    """E[(c_{t+1} − c_t)²] = E[A²]·E[1 − cos(2π/P)], the second mean by quadrature over log P."""
    P = np.geomspace(*PERIODS, 1001)
    return 2 * mean_square() * float(np.mean(1 - np.cos(2 * np.pi / P)))
