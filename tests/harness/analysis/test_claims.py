"""Verdicts on claims: an interval that contains the bound tells nothing, and one that never got there is no bound."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.claims import (
    Interval,
    Steps,
    decide,
    drift,
    geometric_mean,
    mean,
    share,
    spread,
    steps_ratio,
    together,
)

numbers = st.floats(-1e6, 1e6)
ends = st.one_of(numbers, st.sampled_from([-math.inf, math.inf]))


@given(numbers, ends, ends, numbers)
def test_a_bound_within_the_interval_tells_nothing(value: float, a: float, b: float, bound: float) -> None:
    found = Interval(value, min(a, b), max(a, b))
    for above, below in ((bound, None), (None, bound)):
        verdict = decide(found, above, below)
        if found.low <= bound <= found.high:
            assert verdict == "cannot be told"
        else:
            within = found.low > bound if above is not None else found.high < bound
            assert verdict == ("holds here" if within else "does not hold here")


@given(numbers, numbers, numbers, numbers, numbers)
def test_between_two_bounds(value: float, a: float, b: float, c: float, d: float) -> None:
    found, low, high = Interval(value, min(a, b), max(a, b)), min(c, d), max(c, d)
    both = decide(found, low, high)
    assert both == together([decide(found, low, None), decide(found, None, high)])


def test_what_nobody_knows_tells_nothing() -> None:
    assert decide(Interval(2, math.nan, math.nan), 1, None) == "cannot be told"
    assert decide(mean([2.0]), 1, None) == "cannot be told"
    assert together([]) == "cannot be told"
    assert together(["holds here", "cannot be told"]) == "cannot be told"
    assert together(["cannot be told", "does not hold here"]) == "does not hold here"


def test_shares_have_the_interval_of_clopper_and_pearson() -> None:
    """Table of Clopper & Pearson 1934 and R's binom.test: 8 of 10, none and all of 5."""
    assert share(8, 10) == pytest.approx((0.8, 0.4439, 0.9748), abs=1e-4)
    assert share(0, 5) == pytest.approx((0, 0, 0.5218), abs=1e-4)
    assert share(5, 5) == pytest.approx((1, 0.4782, 1), abs=1e-4)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=8))
def test_a_ratio_turned_round_is_one_over_it(values: list[float]) -> None:
    there, back = geometric_mean(values), geometric_mean([1 / value for value in values])
    assert there.value == pytest.approx(1 / back.value)
    assert there.low <= there.value * (1 + 1e-9)
    assert there.value <= there.high * (1 + 1e-9)


steps = st.lists(st.builds(Steps, st.integers(1, 5000), st.booleans()), min_size=3, max_size=6)


@given(steps, st.data())
def test_runs_that_never_got_there_bound_nothing(of: list[Steps], data: st.DataObject) -> None:
    to = data.draw(st.lists(st.builds(Steps, st.integers(1, 5000), st.booleans()), min_size=len(of), max_size=len(of)))
    found = steps_ratio(of, to)
    assert (found.high == math.inf) or all(each.reached for each in of)
    assert (found.low == 0) or all(each.reached for each in to)
    assert spread(of).high == math.inf or all(each.reached for each in of)


def test_the_spread_of_seeds() -> None:
    assert spread([Steps(100, True)] * 5) == Interval(1, 1, 1)
    found = spread([Steps(count, True) for count in (100, 120, 200, 300, 400, 150, 90, 500)])
    assert 1 < found.low < found.value < found.high
    assert math.isnan(spread([Steps(100, True)] * 2).value)
    assert decide(spread([Steps(100, True)] * 2), 2, None) == "cannot be told"


def test_how_far_curves_are_apart() -> None:
    found = drift([[1.0, 1.0], [1.0, 1.0 + 1e-6], [1.0, 1.0 - 1e-6]], 2)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(2e-6 ** (1 / 3) * 1e-6 ** (2 / 3), rel=1e-3)
    assert drift([[1.0], [1.0]], 1).value < 1e-11
