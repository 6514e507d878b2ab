"""The adding problem: its data against its definition, its baseline against the literature's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks
from tasks.adding import Adding


@given(length=st.integers(2, 40), markers=st.sampled_from(["halves", "anywhere"]), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_adding_targets_are_the_sums_of_two_marked_values(length: int, markers: str, seed: int) -> None:
    batch = tasks.load("adding", {"length": length, "markers": markers}, seed).batch("train", 5, 16)
    u, m = batch.x[..., 0], batch.x[..., 1]
    assert ((u >= 0) & (u < 1)).all()
    assert set(np.unique(m)) <= {0, 1}
    assert (m.sum(axis=1) == 2).all()
    np.testing.assert_allclose(batch.y[:, 0], (u * m).sum(axis=1), rtol=1e-6)
    if markers == "halves":
        assert (m[:, : length // 2].sum(axis=1) == 1).all()


@pytest.mark.parametrize("markers", ["halves", "anywhere"])
def test_every_place_can_be_marked(markers: str) -> None:
    m = tasks.load("adding", {"length": 7, "markers": markers}).batch("train", 0, 500).x[..., 1]
    assert (m.sum(axis=0) > 0).all()


def test_answering_one_reaches_the_adding_baseline() -> None:
    task = Adding(length=30)
    test = task.held_out("test")
    scores = task.score(np.ones_like(test.y), test)
    assert scores["mse"] == pytest.approx(1 / 6, rel=0.05)
    assert task.baseline["mse"] == pytest.approx(1 / 6)
    knows_one = (test.x[:, :15, 0] * test.x[:, :15, 1]).sum(axis=1, keepdims=True) + 0.5
    assert task.score(knows_one, test)["mse"] == pytest.approx(task.landmarks["one marker known"], rel=0.05)


def test_adding_counts_errors_below_four_hundredths() -> None:
    task = Adding(length=10)
    test = task.batch("test", 0, 4)
    off = np.array([[0.0], [0.039], [-0.039], [0.05]])
    assert task.score(test.y + off, test)["within_0.04"] == 0.75
