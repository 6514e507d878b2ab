"""Named stop watches, with a clock that is made up."""

from __future__ import annotations

from itertools import count

import pytest

from harness.worker.clocks import Clocks


def test_seconds_add_up_by_name_and_what_is_spent_already_counts() -> None:
    clocks = Clocks(map(float, count()).__next__, {"import": 2.0})
    for name in ("import", "train", "train"):
        with clocks(name):
            pass
    assert (clocks["import"], clocks["train"], clocks["never"]) == (3.0, 2.0, 0.0)


def test_what_ends_in_an_error_took_time_too() -> None:
    clocks = Clocks(map(float, count()).__next__)
    with pytest.raises(ValueError, match="no"), clocks("train"):
        raise ValueError("no")
    assert clocks["train"] == 1.0
