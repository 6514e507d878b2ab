"""The learning rate of each update, beside the frameworks' own schedules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.job import OptimizerSpec

LR = 0.3


def a_rule(**changes: Any) -> OptimizerSpec:
    return OptimizerSpec(lr=LR, **changes)


def test_a_constant_rate_is_the_number_itself() -> None:
    assert not a_rule().scheduled
    assert [a_rule().rate(t) for t in (1, 2, 10**9)] == [LR] * 3


def test_a_warm_up_rises_in_equal_steps_to_the_rate() -> None:
    np.testing.assert_allclose(a_rule(warmup=4).rates(0, 6), [LR / 4, LR / 2, 3 * LR / 4, LR, LR, LR], rtol=1e-7)
    assert a_rule(warmup=4).scheduled


def test_decays_and_the_cosine_begin_after_the_warm_up() -> None:
    steps = a_rule(schedule="step", decay_every=2, decay_by=0.1, warmup=1)
    np.testing.assert_allclose(steps.rates(0, 6), LR * np.array([1, 1, 1, 0.1, 0.1, 0.01]), rtol=1e-7)
    cosine = a_rule(schedule="cosine", warmup=2, updates=6)
    np.testing.assert_allclose(cosine.rates(2, 4) / LR, 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4)), rtol=1e-6)
    assert cosine.rates(6, 3).tolist() == [0, 0, 0], "an update past the last one changes nothing"
    assert a_rule(schedule="cosine").rate(10**6) == pytest.approx(LR), "no last one is known"


def torch_rates(make: Callable[[Any], Any], count: int) -> list[float]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], LR)
    schedule, rates = make(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_they_are_torchs_own() -> None:
    """StepLR and CosineAnnealingLR, stepped after each update."""
    schedulers = pytest.importorskip("torch").optim.lr_scheduler
    steps = torch_rates(lambda optimizer: schedulers.StepLR(optimizer, 3, 0.2), 10)
    np.testing.assert_allclose(a_rule(schedule="step", decay_every=3, decay_by=0.2).rates(0, 10), steps, rtol=1e-6)
    cosine = torch_rates(lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 10), 10)
    np.testing.assert_allclose(a_rule(schedule="cosine", updates=10).rates(0, 10), cosine, rtol=1e-6)


def test_they_are_optaxs_own() -> None:
    optax = pytest.importorskip("optax")
    steps = optax.exponential_decay(LR, 3, 0.2, staircase=True)
    cosine = optax.cosine_decay_schedule(LR, 10)
    for ours, theirs in [(a_rule(schedule="step", decay_every=3, decay_by=0.2), steps),
                         (a_rule(schedule="cosine", updates=10), cosine)]:  # fmt: skip
        np.testing.assert_allclose(ours.rates(0, 10), [float(theirs(t)) for t in range(10)], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("changes", [{"schedule": "cosine", "updates": 999}, {"warmup": 7}])
def test_a_rate_that_changes_is_the_same_number_in_every_precision(changes: dict[str, Any]) -> None:
    rates = a_rule(**changes).rates(0, 50)
    np.testing.assert_array_equal(rates, rates.astype("float32"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"clip": 1.0, "clip_value": 1.0}, "give one"),
        ({"schedule": "step", "decay_every": 3}, "needs decay-every and decay-by"),
        ({"schedule": "cosine", "decay_by": 0.1}, "decay-by is of schedule step, not of cosine"),
        ({"decay_every": 3}, "decay-every is of schedule step, not of constant"),
    ],
)
def test_values_that_are_no_rule_together_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        a_rule(**changes)
