"""What a ratio of two contestants is, round by round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.ratios import ratio
from harness.records.figures import Block


def test_what_slows_all_of_a_round_does_not_touch_the_ratio() -> None:
    noise = [1.0, 3.0, 0.5, 7.0, 1.1, 2.0, 1.0, 4.0]
    slow = {i: Block(4, 4 * 0.02 * x) for i, x in enumerate(noise)}
    fast = {i: Block(10, 10 * 0.01 * x) for i, x in enumerate(noise)}
    found = ratio(slow, fast)
    assert found is not None
    assert found.median == pytest.approx(2)
    assert (found.low, found.high) == pytest.approx((2, 2))
    assert found.pairs == 8


def test_only_rounds_of_both_are_pairs_and_few_pairs_have_no_interval() -> None:
    ours, theirs = {0: Block(1, 1.0), 1: Block(1, 1.0), 5: Block(1, 9.0)}, {0: Block(1, 2.0), 1: Block(1, 2.0)}
    found = ratio(theirs, ours)
    assert found is not None
    assert (found.median, found.low, found.high, found.pairs) == (2.0, None, None, 2)
    assert ratio({}, ours) is None


@given(st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3)), min_size=3, max_size=12))
def test_the_interval_holds_the_median_and_is_the_same_each_time(pairs: list[tuple[float, float]]) -> None:
    a, b = ({i: Block(1, pair[side]) for i, pair in enumerate(pairs)} for side in (0, 1))
    found = ratio(a, b)
    assert found == ratio(a, b)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.median <= found.high
