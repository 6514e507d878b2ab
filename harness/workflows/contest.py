"""One contest from start to end, for ``harness speed``, ``harness compare`` and the benches.

What makes a contest fair, and leaves no process behind, is here: how contestants get ready, the pause before each
turn, the check that nothing compiles between the turns, when the machine's limits are read, and how workers are ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Generic, Literal, TypeVar

from harness.errors import Lost, UsageError
from harness.processes.channel import TimedOut, until
from harness.processes.contestant import Contestant
from harness.workflows.turns import fit, in_rounds

#: Seconds of pause before each turn: thread pools spin for a while after their last work (OpenBLAS for some 20 ms).
SETTLE_S = 0.03
LONGEST_BLOCK_S = 60.0
#: More than any contest needs.
MOST_ROUNDS = 5_000

Key = TypeVar("Key", bound=Hashable)
Tell = Callable[[str], None]
#: Starts a contestant's worker, given the contest's deadline in seconds of ``time.monotonic``.
Start = Callable[[float | None], Contestant]


@dataclass(frozen=True)
class Settings:
    """How a contest is held.

    Attributes:
        rounds: turns of each contestant.
        block_s: seconds that a turn should take.
        timeout: seconds that the contest may take; None for as long as it takes.
        starts: contestants that get ready at a time.
        ready_s: seconds that one may take to get ready; None for as long as it takes.
    """

    rounds: int = 20
    block_s: float = 0.25
    timeout: float | None = None
    starts: int = 1
    ready_s: float | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for values that no contest can have."""
        if self.rounds < 1:
            raise UsageError(f"--rounds must be at least 1, not {self.rounds}")
        if self.rounds > MOST_ROUNDS:
            raise UsageError(f"--rounds must be at most {MOST_ROUNDS:,}, to fit into a record, not {self.rounds:,}")
        check_block(self.block_s)
        if self.starts < 1:
            raise UsageError(f"--starts must be at least 1, not {self.starts}")


def check_block(block_s: float) -> None:
    """Raises UsageError for seconds that a block cannot take."""
    if not 0 < block_s <= LONGEST_BLOCK_S:
        raise UsageError(f"--block must be above 0 and at most {LONGEST_BLOCK_S:g} seconds, not {block_s:g}")


class Contest(Generic[Key]):
    """Live workers that take turns.

    A context manager: however its block is left, no worker outlives it, and ``how`` says how it was left::

        with Contest(starts, Settings(rounds=20)) as contest:
            contest.get_ready()
            contest.take_turns()
            contest.finish()

    Attributes:
        contestants: those that were started, by key, with their turns and all that they said.
        how: ``timeout`` or ``interrupted`` where TimedOut or KeyboardInterrupt ended it.
    """

    def __init__(
        self,
        starts: Mapping[Key, Start],
        settings: Settings,
        *,
        seed: int = 0,
        limits: bool = False,
        tell: Tell = lambda what: None,
        lost: Callable[[Key, Contestant], None] = lambda key, contestant: None,
    ) -> None:
        """Set the contest up; ``get_ready`` starts the workers.

        Args:
            starts: who takes part, in the order in which they start.
            seed: of the orders of turns.
            limits: whether one contestant of each backend and device reads the machine's limits, before the first
                round, in the middle and after the last.
            tell: called with a line about what is going on.
            lost: called with each contestant that drops out. What it raises ends the contest; else the others go on.
        """
        self.settings, self.seed, self.tell = settings, seed, tell
        self.contestants: dict[Key, Contestant] = {}
        self.how: Literal["ok", "timeout", "interrupted"] = "ok"
        self._starts, self._limits, self._lost = dict(starts), limits, lost
        self._deadline = until(settings.timeout)

    def __enter__(self) -> Contest[Key]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, TimedOut):
            self.how = "timeout"
        elif isinstance(error, KeyboardInterrupt):
            self.how = "interrupted"
        for contestant in self.contestants.values():
            contestant.channel.dismiss()  # all of them first: a process that holds a GPU takes its time
        for contestant in self.contestants.values():
            contestant.channel.stop()

    def get_ready(self) -> None:
        """Let every contestant import, pass the gate, build, compile, and find how many updates fill a block.

        From then on nothing may compile: a contestant that does is lost when it finishes.

        Raises:
            TimedOut: ``settings.timeout`` passed first.
        """
        keys = list(self._starts)
        for place, key in enumerate(keys):
            for next_key in keys[len(self.contestants) : place + self.settings.starts]:
                contestant = self.contestants[next_key] = self._starts[next_key](self._deadline)
                contestant.begin(self.settings.ready_s)
            self.tell(f"{self.contestants[key].name}: starting")
            self._ask(key, self.contestants[key].get_ready)
        for key, contestant in self.alive().items():
            self.tell(f"{contestant.name}: how many updates fill a block")
            self._ask(key, partial(self._fit, contestant))

    def _fit(self, contestant: Contestant) -> None:
        fit(contestant, self.settings.block_s)
        contestant.steady()

    def take_turns(self) -> None:
        """Hold the rounds. Raises TimedOut."""
        rounds = self.settings.rounds
        reached = -1
        for number, key in in_rounds(self.contestants, rounds, self.seed):
            if number != reached:
                if number in (0, rounds // 2):
                    self._read_limits()
                self.tell(f"round {number + 1} of {rounds}")
                reached = number
            self._ask(key, partial(self._turn, self.contestants[key], number))

    def _turn(self, contestant: Contestant, number: int) -> None:
        time.sleep(SETTLE_S)
        contestant.blocks[number] = contestant.turn(contestant.steps)

    def finish(self) -> None:
        """Collect the last figures of those still alive, and whether something compiled. Raises TimedOut."""
        self._read_limits()
        for key, contestant in self.alive().items():
            self._ask(key, contestant.finish)

    def alive(self) -> dict[Key, Contestant]:
        """The contestants that were started and are not lost."""
        return {key: contestant for key, contestant in self.contestants.items() if not contestant.lost}

    def _read_limits(self) -> None:
        """Let one contestant of each backend and device read the limits: the others have the same libraries."""
        if not self._limits:
            return
        readers = {(c.spec.backend, c.spec.device): key for key, c in reversed(list(self.alive().items()))}
        for key in readers.values():
            self.tell(f"{self.contestants[key].name}: the machine's limits")
            time.sleep(SETTLE_S)
            self._ask(key, self.contestants[key].read_limits)

    def _ask(self, key: Key, ask: Callable[[], None]) -> None:
        """Ask a contestant for something, unless it is lost; if that loses it, it drops out."""
        contestant = self.contestants[key]
        if contestant.lost:
            return
        try:
            ask()
        except Lost:
            contestant.lost = True
            self._lost(key, contestant)
