"""Taking turns: who, how long, in which order. No process, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Lost
from harness.records.figures import Block
from harness.workflows.turns import fit, in_rounds, whole_steps


@dataclass
class Fake:
    """Takes ``update_s`` per update, by a clock of its own; falls out at a turn if told to."""

    update_s: Callable[[int], float] = lambda turn: 0.01
    chunk: int = 8
    whole: bool = False
    out_at: int | None = None
    steps: int = 1
    blocks: dict[int, Block] = field(default_factory=dict)
    lost: bool = False
    turns: int = 0

    def turn(self, steps: int) -> Block:
        self.turns += 1
        if self.out_at == self.turns:
            raise Lost
        return Block(steps, steps * self.update_s(self.turns))


def always(seconds: float) -> Callable[[int], float]:
    return lambda turn: seconds


@pytest.mark.parametrize(
    ("update_s", "whole", "steps"),
    [(0.01, False, 24), (0.1, False, 2), (0.1, True, 8), (0.2, False, 1), (3.0, False, 1), (3.0, True, 8)],
)
def test_a_block_takes_about_a_quarter_of_a_second_and_is_whole_chunks_from_one_on(
    update_s: float, whole: bool, steps: int
) -> None:
    fake = Fake(always(update_s), whole=whole)
    fit(fake, 0.25)
    assert fake.steps == steps
    assert not fake.blocks, "what it took to find out is not measured"


@given(st.floats(0, 1e7), st.integers(1, 1000), st.booleans())
def test_updates_per_turn_are_never_a_broken_chunk(wanted: float, chunk: int, whole: bool) -> None:
    steps = whole_steps(wanted, chunk, whole)
    assert steps >= 1
    assert steps % chunk == 0 or (steps < chunk and not whole)


def test_every_round_has_one_turn_of_each_and_orders_differ() -> None:
    turns = list(in_rounds({name: Fake() for name in "abcd"}, 20, 0))
    assert [number for number, _ in turns] == [number for number in range(20) for _ in "abcd"]
    orders = ["".join(name for _, name in turns[i : i + 4]) for i in range(0, 80, 4)]
    assert all(sorted(order) == list("abcd") for order in orders)
    assert len(set(orders)) > 8


def test_the_order_is_the_seeds() -> None:
    first, again, other = (list(in_rounds({name: Fake() for name in "abcd"}, 10, seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_one_that_is_lost_has_no_turn_from_then_on_and_the_others_go_on() -> None:
    fakes = {"a": Fake(), "b": Fake()}
    taken = []
    for number, name in in_rounds(fakes, 5, 0):
        fakes["a"].lost = number == 2 or fakes["a"].lost
        taken.append((number, name))
    assert [number for number, name in taken if name == "b"] == [0, 1, 2, 3, 4]
    assert [number for number, name in taken if name == "a"][:2] == [0, 1]
    assert all(number <= 2 for number, name in taken if name == "a")


def test_one_that_is_lost_before_the_first_round_has_no_turn() -> None:
    fake = Fake(out_at=1)
    with pytest.raises(Lost):
        fit(fake, 0.25)
    fake.lost = True
    assert list(in_rounds({"a": fake}, 3, 0)) == []
