"""The noisy sine: its data against its definition, its baselines against computed values, the long forecast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks
from tasks.base import generator
from tasks.sine import (
    AMPLITUDES,
    FORECASTS,
    HORIZON,
    Sine,
    linear_predictor,
    mean_square,
    mean_square_step,
    waves,
)


@given(seed=st.integers(0, 2**63 - 1))
@settings(max_examples=20, deadline=None)
def test_sine_targets_are_the_next_value_of_one_clean_wave(seed: int) -> None:
    clean = Sine(noise=0.0, seed=seed).batch("train", 0, 8)
    np.testing.assert_array_equal(clean.x[:, 1:], clean.y[:, :-1])
    # c_{t+1} + c_{t−1} = 2 cos(2π/P) c_t holds for a sine of period P and for nothing else.
    c = clean.x[..., 0].astype(np.float64)
    ratio = np.sum((c[:, 2:] + c[:, :-2]) * c[:, 1:-1], axis=1) / np.sum(c[:, 1:-1] ** 2, axis=1)
    P = 2 * np.pi / np.arccos(ratio / 2)
    assert ((P > 9.99) & (P < 50.01)).all()
    assert (np.abs(c).max(axis=1) <= AMPLITUDES[1]).all()
    assert (np.abs(c).max(axis=1) >= AMPLITUDES[0] * np.cos(np.pi / 10)).all()


def test_periods_are_log_uniform_and_amplitudes_uniform() -> None:
    c = waves(np.random.default_rng(0), 4000, 200)
    A = np.sqrt(2 * np.mean(c**2, axis=1))
    assert A.mean() == pytest.approx(0.75, rel=0.02)
    crossings = (np.diff(np.signbit(c), axis=1)).sum(axis=1)
    P = 2 * 200 / np.maximum(crossings, 1)
    assert np.median(P) == pytest.approx(np.sqrt(10 * 50), rel=0.05)


def test_every_sensor_sees_the_same_wave_with_noise_of_its_own() -> None:
    noisy = Sine(features=10, noise=0.1).batch("train", 0, 400)
    clean = Sine(features=10, noise=0.0).batch("train", 0, 400)
    hiss = (noisy.x - clean.x).reshape(-1, 10)
    assert hiss.std() == pytest.approx(0.1, rel=0.02)
    assert np.abs(np.corrcoef(hiss.T) - np.eye(10)).max() < 0.05
    np.testing.assert_array_equal(noisy.y, clean.y)


def test_sine_baselines_are_the_computed_ones() -> None:
    task = Sine()
    test = task.held_out("test")
    assert mean_square() == pytest.approx(0.2917, rel=1e-3)
    assert task.score(np.zeros_like(test.y), test)["mse"] == pytest.approx(0.2917, rel=0.05)
    assert task.landmarks["persistence"] == pytest.approx(0.0435, rel=0.05)
    assert task.score(test.x, test)["mse"] == pytest.approx(task.landmarks["persistence"], rel=0.05)
    assert mean_square_step() == pytest.approx(0.0335, rel=0.05)
    assert task.baseline["mse"] == pytest.approx(0.0164, rel=0.05)


@pytest.mark.parametrize(("order", "mse"), [(10, 0.0189), (20, 0.0164), (40, 0.0144)])
def test_linear_predictors_reach_what_was_computed_for_them(order: int, mse: float) -> None:
    c = waves(generator(1, "test", 0), 20_000, order + 1)
    readings = c[:, :-1] + 0.1 * np.random.default_rng(1).standard_normal((20_000, order))
    assert np.mean((readings @ linear_predictor(order, 0.1) - c[:, -1]) ** 2) == pytest.approx(mse, rel=0.05)


def test_without_noise_a_linear_predictor_is_exact_and_is_not_the_yardstick() -> None:
    task = Sine(noise=0.0)
    assert task.baseline["mse"] < 1e-6
    assert task.solved({"mse": 9e-4})
    assert not task.solved({"mse": 2e-3})


def test_more_sensors_or_a_single_readout_keep_the_yardstick_honest() -> None:
    many = Sine(features=10, readout="last")
    mean_of_ten = Sine(noise=0.1 / np.sqrt(10).item())
    assert many.autoregression == pytest.approx(mean_of_ten.autoregression, rel=0.1)


@pytest.mark.parametrize("readout", ["every", "last"])
def test_a_perfect_model_forecasts_fifty_clean_steps(readout: str) -> None:
    task = tasks.load("sine", {"length": 60, "noise": 0.0, "features": 2, "readout": readout})

    def recurrence(x: np.ndarray) -> np.ndarray:
        """c_{t+1} = 2 cos(2π/P) c_t − c_{t−1}, with P read off the window."""
        assert x.shape == (FORECASTS, 60, 2)
        assert x.dtype == np.float32
        np.testing.assert_array_equal(x[..., 0], x[..., 1])
        c = x[..., 0].astype(np.float64)
        twice_cos = np.sum((c[:, 2:] + c[:, :-2]) * c[:, 1:-1], axis=1) / np.sum(c[:, 1:-1] ** 2, axis=1)
        following = twice_cos * c[:, -1] - c[:, -2]
        return np.repeat(following[:, None, None], 60, axis=1) if readout == "every" else following[:, None]

    assert task.closing_scores(recurrence)["forecast_mse"] < 1e-4


def test_forecasting_nothing_scores_the_wave_itself() -> None:
    task = Sine(length=21)
    calls = []
    scores = task.closing_scores(lambda x: (calls.append(len(x)), np.zeros((len(x), 21, 1), np.float32))[1])
    assert calls == [FORECASTS] * HORIZON
    assert scores["forecast_mse"] == pytest.approx(0.290, rel=0.05)
