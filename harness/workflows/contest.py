"""A contest: competitors that are all alive take turns in short blocks, and are compared pair by pair.

Nothing here knows what is contested, nor how long a second is: turns are taken through
``Contestant`` and the pause between them is the caller's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import Lost
from harness.records.figures import Block


class Contestant(Protocol):
    """Who takes turns.

    Attributes:
        chunk: updates that it is handed at once at most.
        whole: whether it can only do whole chunks.
    """

    @property
    def chunk(self) -> int: ...

    @property
    def whole(self) -> bool: ...

    def turn(self, steps: int) -> Block:
        """Do ``steps`` updates. Raises Lost."""
        ...


@dataclass
class Lane:
    """A contestant and what it did, block by round."""

    contestant: Contestant
    steps: int = 0
    blocks: dict[int, Block] = field(default_factory=dict)
    lost: bool = False


def whole_steps(wanted: float, chunk: int, whole: bool) -> int:
    """About ``wanted`` updates, at least one; in whole chunks from one chunk on, always so where ``whole``."""
    steps = max(1, round(wanted))
    return max(chunk, steps - steps % chunk) if whole or steps >= chunk else steps


def fit(lane: Lane, block_s: float) -> None:
    """Choose the updates per turn such that a block takes about ``block_s`` seconds; fixed from then on."""
    contestant = lane.contestant
    lane.steps = whole_steps(1, contestant.chunk, contestant.whole)
    for _ in range(2):  # the first block is short, its rate rough
        block = _turn(lane)
        if block is None:
            return
        lane.steps = whole_steps(block_s * block.steps / block.seconds, contestant.chunk, contestant.whole)
    _turn(lane)  # whatever this many updates need for the first time


def hold(lanes: Sequence[Lane], rounds: int, seed: int, before: Callable[[int], None]) -> None:
    """Every lane takes one turn per round, in an order drawn anew each round. A lost one drops out.

    Args:
        lanes: with their ``steps`` chosen; their ``blocks`` are filled as they come.
        before: called before each turn with the number of the round.
    """
    orders = random.Random(seed)
    for number in range(rounds):
        order = [lane for lane in lanes if not lane.lost]
        orders.shuffle(order)
        for lane in order:
            before(number)
            block = _turn(lane)
            if block is not None:
                lane.blocks[number] = block


def _turn(lane: Lane) -> Block | None:
    if lane.lost:
        return None
    try:
        return lane.contestant.turn(lane.steps)
    except Lost:
        lane.lost = True
        return None
