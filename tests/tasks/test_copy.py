"""The copy problem: its data against its definition, its baselines against the literature's."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.base import loss_value
from tasks.copy import Copy


@given(delay=st.integers(1, 30), symbols=st.integers(1, 12), alphabet=st.integers(2, 9), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_copy_shows_a_string_and_asks_for_it_after_the_delay(
    delay: int, symbols: int, alphabet: int, seed: int
) -> None:
    task = Copy(delay=delay, symbols=symbols, alphabet=alphabet, seed=seed)
    batch = task.batch("train", 2, 5)
    assert (batch.x.sum(axis=2) == 1).all()
    shown = batch.x.argmax(axis=2)
    assert shown.shape[1] == delay + 2 * symbols
    blank, delimiter = alphabet, alphabet + 1
    assert (shown[:, :symbols] < alphabet).all()
    assert (shown[:, symbols : symbols + delay - 1] == blank).all()
    assert (shown[:, symbols + delay - 1] == delimiter).all()
    assert (shown[:, symbols + delay :] == blank).all()
    np.testing.assert_array_equal(batch.y[:, -symbols:], shown[:, :symbols])
    assert (batch.y[:, :-symbols] == blank).all()


@pytest.mark.parametrize(
    ("delay", "loss"),
    [
        *[(10, 0.6931), (20, 0.5199), (30, 0.4159), (50, 0.2971)],
        *[(100, 0.1733), (200, 0.0945), (500, 0.0400), (1000, 0.02039)],
    ],
)
def test_copy_baselines_are_those_of_the_literature(delay: int, loss: float) -> None:
    baseline = Copy(delay=delay).baseline
    assert baseline["loss"] == pytest.approx(loss, abs=6e-5)
    assert baseline["recall_accuracy"] == 0.125


def test_the_short_copy_task_has_a_baseline_of_its_own() -> None:
    assert Copy(delay=10, symbols=4).baseline["loss"] == pytest.approx(0.4621, abs=5e-5)


def test_blanks_alone_mislead_over_all_steps() -> None:
    task = Copy(delay=1000)
    test = task.batch("test", 0, 100)
    predictions = np.zeros((*test.y.shape, 9), dtype=np.float32)
    predictions[:, :, 8] = 100
    predictions[:, -10:, 8] = -100
    scores = task.score(predictions, test)
    assert scores["accuracy"] > 0.99
    assert scores["recall_accuracy"] == pytest.approx(0.125, abs=0.04)
    assert scores["recall_loss"] == pytest.approx(log(8), rel=1e-6)
    assert loss_value("cross-entropy", predictions, test.y) == pytest.approx(task.baseline["loss"], rel=1e-4)
