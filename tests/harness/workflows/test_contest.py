"""Taking turns: who, how long, in which order, and what a ratio is. No process, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.ratios import ratio
from harness.errors import Lost
from harness.records.figures import Block
from harness.workflows.contest import Lane, fit, hold, whole_steps


@dataclass
class Fake:
    """Takes ``update_s`` per update, by a clock of its own; falls out at a turn if told to."""

    name: str
    update_s: Callable[[int], float] = lambda turn: 0.01
    chunk: int = 8
    whole: bool = False
    out_at: int | None = None
    log: list[str] = field(default_factory=list)
    turns: int = 0

    def turn(self, steps: int) -> Block:
        self.turns += 1
        self.log.append(self.name)
        if self.out_at == self.turns:
            raise Lost
        return Block(steps, steps * self.update_s(self.turns))


def always(seconds: float) -> Callable[[int], float]:
    return lambda turn: seconds


def quietly(number: int) -> None:
    del number


@pytest.mark.parametrize(
    ("update_s", "whole", "steps"),
    [(0.01, False, 24), (0.1, False, 2), (0.1, True, 8), (0.2, False, 1), (3.0, False, 1), (3.0, True, 8)],
)
def test_a_block_takes_about_a_quarter_of_a_second_and_is_whole_chunks_from_one_on(
    update_s: float, whole: bool, steps: int
) -> None:
    lane = Lane(Fake("a", always(update_s), whole=whole))
    fit(lane, 0.25)
    assert lane.steps == steps
    assert not lane.blocks, "what it took to find out is not measured"


@given(st.floats(0, 1e7), st.integers(1, 1000), st.booleans())
def test_updates_per_turn_are_never_a_broken_chunk(wanted: float, chunk: int, whole: bool) -> None:
    steps = whole_steps(wanted, chunk, whole)
    assert steps >= 1
    assert steps % chunk == 0 or (steps < chunk and not whole)


def test_every_round_has_one_turn_of_each_and_orders_differ() -> None:
    log: list[str] = []
    lanes = [Lane(Fake(name, log=log), steps=1) for name in "abcd"]
    before: list[int] = []
    hold(lanes, 20, 0, before.append)
    orders = ["".join(log[i : i + 4]) for i in range(0, 80, 4)]
    assert all(sorted(order) == list("abcd") for order in orders)
    assert len(set(orders)) > 8
    assert before == [number for number in range(20) for _ in "abcd"]
    assert all(list(lane.blocks) == list(range(20)) for lane in lanes)


def test_the_order_is_the_seeds() -> None:
    logs: list[list[str]] = [[], [], []]
    for log, seed in zip(logs, (1, 1, 2), strict=True):
        hold([Lane(Fake(name, log=log), steps=1) for name in "abcd"], 10, seed, quietly)
    assert logs[0] == logs[1] != logs[2]


def test_one_that_falls_out_keeps_its_blocks_and_the_others_go_on() -> None:
    lanes = [Lane(Fake("a", out_at=3), steps=1), Lane(Fake("b"), steps=1)]
    hold(lanes, 5, 0, quietly)
    assert lanes[0].lost
    assert list(lanes[0].blocks) == [0, 1]
    assert list(lanes[1].blocks) == [0, 1, 2, 3, 4]
    assert lanes[0].contestant.turns == 3, "it is not asked again"


def test_one_that_falls_out_before_the_first_round_takes_no_turn() -> None:
    lane = Lane(Fake("a", out_at=1))
    fit(lane, 0.25)
    hold([lane], 3, 0, quietly)
    assert lane.lost
    assert not lane.blocks


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
