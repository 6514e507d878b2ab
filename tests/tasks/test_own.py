"""Tasks that are given by data: what they draw, how they score, how they are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasks
from tasks import own
from tasks.base import TaskError, within
from tasks.registry import UnknownName
from tests.fixtures.own_data import arrays, kept

KINDS = ["number", "class", "number-per-step", "class-per-step"]


@pytest.fixture(autouse=True)
def _folder(own_data: Path) -> None:
    """Each test has a folder of its own."""


def test_a_data_set_is_a_task_of_its_name_in_the_one_registry() -> None:
    with pytest.raises(UnknownName, match="unknown task 'mine'"):
        tasks.load("mine")
    stored = kept("mine", **arrays())
    assert "mine" in tasks.registry.names()
    assert "mine" not in tasks.registry.registered()
    assert tasks.registry.is_ours("mine")
    assert tasks.registry.distribution("mine") is None
    task = tasks.load("mine", seed=4)
    assert (task.name, task.parameters, task.data_digest()) == ("mine", {"data": stored.short}, stored.sha256)
    assert "x.npy" not in str(task.data_set())


def test_it_is_found_by_its_digest_under_any_name() -> None:
    stored = kept("mine", **arrays())
    other = kept("other", **arrays("class"))
    assert tasks.load("mine", {"data": other.short}).score_name == "accuracy"
    assert tasks.load("never-heard-of", {"data": stored.short}).name == "never-heard-of"
    with pytest.raises(TaskError, match="unknown parameter of adding"):
        tasks.load("adding", {"data": stored.short})
    with pytest.raises(TaskError, match="mine: data must be"):
        type(tasks.load("mine"))(data=other.short)


@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_have_the_declared_shapes_and_types(kind: str, variable: bool) -> None:
    kept("mine", **arrays(kind, variable))
    task = tasks.load("mine")
    assert task.variable == variable
    for split in ("train", "validation", "test"):
        batch = task.batch(split, 0, 3)
        assert (batch.x.shape, batch.x.dtype) == ((3, task.steps_in, task.inputs), np.float32)
        positions = (3, 6) if task.readout == "every" else (3,)
        numbers = task.loss == "mse"
        assert batch.y.shape == ((*positions, task.outputs) if numbers else positions)
        assert batch.y.dtype == (np.float32 if numbers else np.int32)
        assert (batch.lengths is not None) == variable
        if batch.lengths is not None:
            assert batch.lengths.dtype == np.int32
            assert task.shortest is not None
            assert task.shortest <= batch.lengths.min()


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_solves_and_the_baseline_does_not_whatever_stands_in_the_padding(kind: str) -> None:
    kept("mine", **arrays(kind, variable=True))
    task = tasks.load("mine")
    test = task.held_out("test")
    assert test.lengths is not None
    y = test.y.copy()
    perfect = y if task.loss == "mse" else 10 * np.eye(task.outputs, dtype=np.float32)[y]
    if task.readout == "every":
        perfect[~within(test.lengths, 6)] = 1e6
    scores = task.score(perfect, test)
    assert scores == {task.score_name: 0.0 if task.loss == "mse" else 1.0}
    assert task.solved(scores)
    assert not task.solved(task.baseline)
    assert list(task.landmarks.values()) == [task.baseline["loss"]]


def test_the_baseline_is_that_of_the_training_mean_and_of_the_most_frequent_class() -> None:
    kept("numbers", **arrays("number-per-step", variable=True))
    task = tasks.load("numbers")
    train, test = task.batch("train", 0, 32), task.held_out("test")
    inside, tested = within(train.lengths, 6), within(test.lengths, 6)
    mean = train.y[inside].mean(axis=0, dtype=float)
    assert task.baseline["mse"] == pytest.approx(np.mean((test.y[tested] - mean) ** 2), rel=1e-6)
    kept("classes", **arrays("class"))
    task = tasks.load("classes")
    most = np.bincount(task.batch("train", 0, 32).y).argmax()
    assert task.baseline["accuracy"] == np.mean(task.held_out("test").y == most)


def test_an_epoch_visits_each_training_sequence_once_and_drops_what_fills_no_batch() -> None:
    kept("mine", **arrays())
    task = tasks.load("mine", seed=2)
    assert [task.updates_per_epoch(batch) for batch in (1, 5, 32, 33)] == [32, 6, 1, 0]
    epochs = [np.concatenate([task.batch("train", 6 * epoch + i, 5).x for i in range(6)]) for epoch in range(2)]
    assert all(len(np.unique(epoch[:, 0, 0])) == 30 for epoch in epochs)
    assert not np.array_equal(*epochs)
    assert tasks.load("adding").updates_per_epoch(5) is None


@pytest.mark.parametrize("count", [2, 63, 64, 1000, 10**5, 10**8])
def test_presets_are_whole_epochs_evaluated_at_their_ends_unless_an_epoch_is_too_long(count: int) -> None:
    found: dict[str, Any] = own.presets(count)
    assert list(found) == ["smoke", "quick", "paper"]
    steps = [preset.steps for preset in found.values()]
    assert steps == sorted(steps)
    for preset, (_, most) in zip(found.values(), own._UPDATES.values(), strict=True):
        assert (preset.hidden, preset.lr) == (50, 1e-3)
        assert preset.batch <= count
        assert preset.steps % preset.evaluate_every == 0
        assert 1 <= preset.steps <= most
        per_epoch = count // preset.batch
        assert preset.steps % per_epoch == 0 or preset.steps == most
