"""The best front, against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.trade_offs import best_front

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


@given(POINTS, st.booleans())
def test_a_point_is_on_the_front_unless_another_is_better_in_one_and_not_worse_in_the_other(
    points: list[tuple[int, int]], higher: bool
) -> None:
    def beaten(place: int) -> bool:
        cost, score = points[place]
        return any(c <= cost and (s >= score if higher else s <= score) and (c, s) != (cost, score) for c, s in points)

    found = best_front([cost for cost, _ in points], [score for _, score in points], higher)
    assert sorted(found) == [place for place in range(len(points)) if not beaten(place)]
    assert [points[place][0] for place in found] == sorted(points[place][0] for place in found)


def test_the_front_of_an_example() -> None:
    assert best_front([3.0, 1.0, 2.0, 4.0], [0.9, 0.5, 0.4, 0.9], higher_is_better=True) == [1, 0]


@pytest.mark.parametrize("higher", [True, False])
def test_without_points_there_is_no_front(higher: bool) -> None:
    assert best_front([], [], higher) == []
