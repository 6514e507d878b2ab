"""Rules of splitting: every sequence once, shares as asked for, at least one in each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.splitting import Rule
from harness.errors import UsageError


@given(st.integers(0, 500), st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 5))
def test_splits_are_apart_and_never_empty(count: int, seed: int, by_time: bool, test_given: bool, gap: int) -> None:
    rule = Rule(seed=seed, by_time=by_time, gap=gap)
    left_out = gap * (1 if test_given else 2) if by_time else 0
    if count - left_out < 3:
        with pytest.raises(UsageError, match="too few"):
            rule.rows(count, test_given)
        return
    rows = rule.rows(count, test_given)
    assert list(rows) == ["train", "validation", "test"][: 2 if test_given else 3]
    together = np.concatenate(list(rows.values()))
    assert len(np.unique(together)) == len(together) == count - left_out
    assert all(len(own) and (np.diff(own) > 0).all() for own in rows.values())
    if by_time:
        assert (np.diff(together) > 0).all()


def test_the_seed_decides_and_the_rule_is_told() -> None:
    one, other = (Rule(seed=seed).rows(100, False)["test"] for seed in (0, 1))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, Rule().rows(100, False)["test"])
    assert Rule((0.6, 0.3, 0.1), 7).words(False) == "by seed 7: 60 % / 30 % / 10 %"
    assert (
        Rule(by_time=True, gap=2).words(True)
        == "in the order of rows: 90 % / 10 %, 2 left out in between, test as given"
    )


def test_fractions_that_leave_nothing_for_training_are_refused() -> None:
    with pytest.raises(UsageError, match="leave none of 3 sequences for training"):
        Rule((0.01, 0.01, 0.98)).rows(3, False)
