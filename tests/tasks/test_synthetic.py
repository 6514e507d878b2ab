"""Drawn tasks: training never runs out, held-out splits have one size and one content."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.adding import Adding
from tasks.base import TaskError


def test_training_never_runs_out_and_held_out_splits_have_one_size() -> None:
    task = Adding(length=4)
    assert [task.size(split) for split in ("train", "validation", "test")] == [None, 1000, 2000]
    assert len(task.batch("train", 10**9, 3)) == 3
    with pytest.raises(TaskError, match="adding has no fixed train split"):
        task.held_out("train")


def test_a_held_out_split_ends_with_a_short_batch() -> None:
    task = Adding(length=4)
    last = task.batch("validation", 14, 70)
    assert len(last) == 1000 - 14 * 70
    np.testing.assert_array_equal(last.x, task.held_out("validation").x[14 * 70 :])
    with pytest.raises(TaskError, match="the validation split of 1000 has no batch 15 of 70"):
        task.batch("validation", 15, 70)
    with pytest.raises(TaskError, match="no batch -1 of 70"):
        task.batch("validation", -1, 70)
