"""Masks: the same for the same seed, update and boundary, and scaled so that the mean stays."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends.conformance import a_job
from backends.dropout import Dropout
from backends.job import checked_masks
from tasks.base import Batch

MODEL = replace(a_job("lstm", 3).model, layers=3)
BATCH = Batch(np.ones((40, 25, 3), np.float32), np.zeros((40, 3)))


def dropped(index: int = 0, **changes: Any) -> Batch:
    fields: dict[str, Any] = {"seed": 5, "model": MODEL, "rate": 0.4, "input_rate": 0.25}
    return Dropout(**fields | changes)(BATCH, index)


def test_an_update_is_masked_the_same_whatever_was_drawn_before_it_and_each_in_its_own_way() -> None:
    in_order = [dropped(index) for index in range(3)]
    np.testing.assert_array_equal(dropped(2).masks, in_order[2].masks)
    np.testing.assert_array_equal(dropped(2).x, in_order[2].x)
    arrays = [each for batch in (*in_order, dropped(seed=6)) for each in (batch.masks[:, :, 0], batch.masks[:, :, 1])]
    assert len({array.tobytes() for array in arrays}) == len(arrays)
    assert len({batch.x.tobytes() for batch in (*in_order, dropped(seed=6))}) == 4


def test_the_masks_are_those_of_the_records() -> None:
    """Whoever verifies a record draws the same bits: a change here makes records of runs with dropout differ."""
    batch = dropped(7)
    assert batch.masks.dtype == bool
    digest = hashlib.sha256(np.packbits(batch.masks).tobytes() + np.packbits(batch.x > 0).tobytes()).hexdigest()
    assert digest[:16] == "5497b1dc83b3cef8"


def test_what_is_kept_is_scaled_and_a_share_is_dropped() -> None:
    batch = dropped()
    assert batch.masks.shape == (40, 25, 2, 8)
    assert batch.masks.mean() == pytest.approx(0.6, abs=0.02)
    assert (batch.x == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert set(np.unique(batch.x)) == {np.float32(0), np.float32(1 / 0.75)}
    assert batch.x.dtype == np.float32
    np.testing.assert_array_equal(BATCH.x, 1)  # the task's own array is left alone


def test_without_a_rate_nothing_is_drawn() -> None:
    assert dropped(rate=0.0, input_rate=0.0) is BATCH
    assert dropped(rate=0.0).masks is None
    assert dropped(input_rate=0.0).x is BATCH.x


@pytest.mark.parametrize("time_first", [False, True])
def test_backends_get_them_layer_by_layer_in_their_own_layout(time_first: bool) -> None:
    masks = dropped().masks
    job = replace(a_job("lstm", 3), model=MODEL, dropout=0.4, length=25, batch=40)
    by_layer = checked_masks(job, masks, time_first)
    assert by_layer is not None
    assert by_layer.flags.c_contiguous
    for layer in range(2):
        ours = by_layer[layer].swapaxes(0, 1) if time_first else by_layer[layer]
        np.testing.assert_array_equal(ours, masks[:, :, layer])
    with pytest.raises(ValueError, match=r"masks of shape \(batch, 25, 2, 8\)"):
        checked_masks(job, masks[:, 1:])
