"""Forecasting a noisy sine wave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from tasks.base import Array, Batch, Loss, Predict, Preset, Readout, generator, loss_value
from tasks.synthetic import HELD_OUT, Synthetic

#: Range of the amplitudes, and of the periods in time steps.
AMPLITUDES = (0.5, 1.0)
PERIODS = (10.0, 50.0)
#: Steps that the model sees before it is scored; also the order of the linear predictor it must beat.
BURN_IN = ORDER = 20
#: An MSE below this solves the task, whatever the linear predictor reaches.
SOLVED_MSE = 1e-3
#: Windows of fresh waves that the linear predictor is fitted to.
FIT_WINDOWS = 20_000
#: The long forecast: steps per sequence, and how many test sequences.
HORIZON = 50
FORECASTS = 500


@dataclass(frozen=True, kw_only=True)
class Sine(Synthetic):
    """c_t = A sin(2πt/P + φ); the input is c_t + noise·N(0, 1), the target the clean c_{t+1}.

    A uniform on [0.5, 1), P log-uniform on [10, 50) steps, φ uniform on [0, 2π). ``features`` sensors
    see the same wave, each with its own noise. There is no standard definition of this task; this one is ours.

    Scores: ``mse`` over steps t ≥ 20, or at the last step with ``readout="last"``. After training also
    ``forecast_mse``: from each of the first 500 test sequences the next 50 clean values are predicted
    autoregressively, each prediction becoming the next reading of every sensor.
    Solved: ``mse`` below that of the pooled linear AR(20) predictor, or below 0.001. Without noise
    a linear predictor is exact up to rounding, which no network need match.
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
        shortest = ORDER + 1  # the linear predictor's window, then at least one scored step
        self.require(self.length >= shortest, f"length must be at least {shortest}, not {self.length}")
        self.require(self.noise >= 0, f"noise must be at least 0, not {self.noise}")
        self.require(self.features >= 1, f"features must be at least 1, not {self.features}")

    @property
    def steps_in(self) -> int:
        """``length``."""
        return self.length

    @property
    def inputs(self) -> int:
        """``features``: one reading per sensor."""
        return self.features

    @property
    def outputs(self) -> int:
        """1: the next clean value."""
        return 1

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """Draw ``count`` fresh sequences, float32.

        x is (count, length, features); y is (count, length, 1), or (count, 1) with ``readout="last"``.
        """
        c = waves(rng, count, self.length + 1).astype(np.float32)
        hiss = rng.standard_normal((count, self.length, self.features), dtype=np.float32)
        x = c[:, :-1, None] + np.float32(self.noise) * hiss
        return Batch(x, c[:, 1:, None] if self.readout == "every" else c[:, -1:])

    def score(self, predictions: Array, batch: Batch) -> dict[str, float]:
        """``mse`` of predictions shaped as ``batch.y``, without the first 20 steps where every step is read out."""
        judged = slice(BURN_IN if self.readout == "every" else 0, None)
        return {"mse": loss_value("mse", predictions[:, judged], batch.y[:, judged])}

    def closing_scores(self, predict: Predict) -> dict[str, float]:
        """``forecast_mse``. A window of fixed length slides over the predictions, so that no shape changes."""
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
        """MSE of a linear regression on the last 20 readings; for the long forecast, that of always answering 0."""
        return {"mse": self.autoregression, "forecast_mse": mean_square()}

    @property
    def landmarks(self) -> Mapping[str, float]:
        """MSE of answering 0, of answering the current reading (persistence), and of AR(20)."""
        return {
            "zero": mean_square(),
            "persistence": mean_square_step() + self.noise**2 / self.features,
            f"AR({ORDER})": self.autoregression,
        }

    @cached_property
    def autoregression(self) -> float:
        """Test MSE of the linear AR(20) predictor, fitted to all waves at once by least squares.

        The sensors are interchangeable, so it weights them equally: it sees their mean, whose noise is
        smaller by √features. Waves are stationary, so one fit serves sequences of any length.
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
        """Whether the test MSE is below that of AR(20), or below 0.001."""
        return scores["mse"] < max(self.autoregression, SOLVED_MSE)


def waves(rng: np.random.Generator, count: int, length: int) -> Array:
    """Draw clean waves, float64 of shape (count, length)."""
    A = rng.uniform(*AMPLITUDES, (count, 1))
    P = np.exp(rng.uniform(np.log(PERIODS[0]), np.log(PERIODS[1]), (count, 1)))
    phi = rng.uniform(0, 2 * np.pi, (count, 1))
    c: Array = A * np.sin(2 * np.pi * np.arange(length) / P + phi)
    return c


def linear_predictor(order: int, noise: float) -> Array:
    """Least-squares weights, oldest reading first, shape (order,), that predict the next clean value.

    Args:
        order: how many past readings are weighted.
        noise: standard deviation of the readings' noise.
    """
    rng = generator(0, "train", 0)
    c = waves(rng, FIT_WINDOWS, order + 1)
    readings = c[:, :-1] + noise * rng.standard_normal((FIT_WINDOWS, order))
    weights: Array = np.linalg.lstsq(readings, c[:, -1], rcond=None)[0]
    return weights


def mean_square() -> float:
    """Mean square of a wave: E[c²] = E[A²]/2."""
    low, high = AMPLITUDES
    return (high**3 - low**3) / (high - low) / 6


def mean_square_step() -> float:
    """Mean square of one step of a wave: E[(c_{t+1} − c_t)²] = E[A²]·E[1 − cos(2π/P)].

    The second mean is computed by quadrature over log P.
    """
    P = np.geomspace(*PERIODS, 1001)
    return 2 * mean_square() * float(np.mean(1 - np.cos(2 * np.pi / P)))
