"""Taking turns: how many updates a turn has, and in which order contestants take theirs. No process and no clock."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

from harness.records.figures import Block

Key = TypeVar("Key")


class Contestant(Protocol):
    """What takes turns; ``harness.processes.contestant`` has the live worker.

    Attributes:
        steps: updates per turn.
        blocks: its turns, by round.
        lost: whether it can take no further turn.
    """

    steps: int
    blocks: dict[int, Block]
    lost: bool

    @property
    def chunk(self) -> int:
        """The most updates that it is handed at once."""
        ...

    @property
    def whole(self) -> bool:
        """Whether it can only do whole chunks."""
        ...

    def turn(self, steps: int) -> Block:
        """Do ``steps`` updates. Raises Lost."""
        ...


def whole_steps(wanted: float, chunk: int, whole: bool) -> int:
    """About ``wanted`` updates, at least one: whole chunks if there is room for one, or if ``whole`` demands it."""
    steps = max(1, round(wanted))
    return max(chunk, steps - steps % chunk) if whole or steps >= chunk else steps


def fit(contestant: Contestant, block_s: float) -> None:
    """Choose the updates per turn so that a block takes about ``block_s`` seconds; fixed from then on. Raises Lost."""
    contestant.steps = whole_steps(1, contestant.chunk, contestant.whole)
    for _ in range(2):  # the first block is short, its rate rough
        block = contestant.turn(contestant.steps)
        wanted = block_s * block.steps / block.seconds
        contestant.steps = whole_steps(wanted, contestant.chunk, contestant.whole)
    contestant.turn(contestant.steps)  # whatever this many updates need for the first time


def in_rounds(contestants: Mapping[Key, Contestant], rounds: int, seed: int) -> Iterator[tuple[int, Key]]:
    """All turns in order, as (round, contestant): one each per round, every round in a new random order.

    A contestant that is lost takes no further turn.
    """
    orders = random.Random(seed)
    for number in range(rounds):
        order = [key for key, contestant in contestants.items() if not contestant.lost]
        orders.shuffle(order)
        yield from ((number, key) for key in order if not contestants[key].lost)
