"""Tasks over a fixed data set: epochs, held-out slices, guessing. The digits of scikit-learn stand for all."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from tasks.base import TaskError, shuffled
from tasks.digits import SequentialDigits


def test_an_epoch_visits_every_training_sequence_once_in_an_order_of_its_own() -> None:
    task = SequentialDigits(seed=3)
    epochs = [np.concatenate([task.batch("train", e * 3 + i, 419).x for i in range(3)]) for e in range(2)]
    assert not np.array_equal(*epochs)
    ordered = [epoch[np.lexsort(epoch.reshape(1257, -1).T)] for epoch in epochs]
    np.testing.assert_array_equal(*ordered)


def test_a_batch_larger_than_the_training_split_is_refused() -> None:
    with pytest.raises(TaskError, match="batch of 1258 is larger than the 1257 training sequences"):
        SequentialDigits().batch("train", 0, 1258)


def test_what_is_left_over_at_the_end_of_an_epoch_is_dropped() -> None:
    task = SequentialDigits(seed=3)
    following = task.batch("train", 2, 500)  # 1257 examples make two batches of 500
    rows = shuffled(3, 1, 1257)[:500]
    examples, labels = task.examples("train")
    np.testing.assert_array_equal(following.x, task.sequences(examples[rows]))
    np.testing.assert_array_equal(following.y, labels[rows])


def test_the_last_slice_of_a_held_out_split_may_be_short() -> None:
    task = SequentialDigits()
    assert len(task.batch("validation", 1, 100)) == 80
    with pytest.raises(TaskError, match="the validation split of 180 has no batch 2 of 100"):
        task.batch("validation", 2, 100)


def test_equal_logits_score_as_guessing_does() -> None:
    task = SequentialDigits()
    assert task.baseline == {"loss": log(10), "accuracy": 0.1}
    assert task.landmarks == {"chance": log(10)}


@pytest.mark.parametrize(("order", "level"), [("row", 0.95), ("pixel", 0.90)])
def test_the_level_that_solves_depends_on_the_order(order: str, level: float) -> None:
    task = SequentialDigits(order=order)  # type: ignore[arg-type]
    assert task.solved({"accuracy": level})
    assert not task.solved({"accuracy": level - 1e-9})
