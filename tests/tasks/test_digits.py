"""The digits that come with scikit-learn."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tasks import digits as module
from tasks.base import DataUnavailable
from tasks.digits import SequentialDigits


def test_the_splits_hold_every_digit_once() -> None:
    task = SequentialDigits()
    parts = [task.batch("train", 0, 1257), task.held_out("validation"), task.held_out("test")]
    assert [len(part) for part in parts] == [1257, 180, 360]
    together = np.concatenate([part.x.reshape(len(part), -1) for part in parts])
    everything = module.digits()[0].reshape(1797, -1)
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(everything, axis=0))
    assert together.min() == 0
    assert together.max() == 1


def test_pixels_are_the_rows_in_reading_order() -> None:
    rows, pixels = (SequentialDigits(order=order).held_out("test").x for order in ("row", "pixel"))
    assert (rows.shape, pixels.shape) == ((360, 8, 8), (360, 64, 1))
    np.testing.assert_array_equal(rows.reshape(360, 64), pixels[..., 0])


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    module.digits.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataUnavailable, match="pip install scikit-learn"):
        SequentialDigits().held_out("test")
