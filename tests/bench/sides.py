"""Sides of a contest, harness workers and bare scripts alike, and what the rounds that they held amount to."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import Lost
from harness.processes.channel import COMMAND, TimedOut
from harness.processes.live import Live, until
from harness.records.figures import Block
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec
from harness.workflows.contest import Lane, fit, hold
from harness.workflows.speed import SETTLE_S

HERE = Path(__file__).resolve().parent
#: Seconds after which a contest is given up.
TIMEOUT_S = 300.0
#: Most updates that a worker is handed at once.
CHUNK = int(SpeedSpec.model_fields["chunk"].default)
#: A call of ``model.fit`` is an epoch, and an epoch is a whole turn.
WHOLE_EPOCH = 100_000

#: batch, length, features, hidden
Shape = tuple[int, int, int, int]
SHAPES: dict[str, Shape] = {
    "A": (64, 100, 10, 50),
    "B": (64, 100, 10, 128),
    "C": (128, 28, 28, 128),
    "D": (64, 784, 1, 128),
    "E": (32, 50, 28, 512),
    "F": (64, 100, 123, 320),
}


@dataclass(frozen=True)
class Side:
    """One that takes part: a worker of the harness, or the script of that name where there is one."""

    name: str
    spec: SpeedSpec
    script: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def live(self, deadline: float | None) -> Live:
        command = (sys.executable, "-P", str(HERE / "contestant.py"), self.script) if self.script else COMMAND
        return Live(self.spec, deadline, command, self.more)


def ours(name: str, backend: str, variant: str, cell: str, shape: Shape, chunk: int = CHUNK) -> Side:
    """A variant, as ``harness speed`` measures it."""
    batch, length, features, hidden = shape
    model = Model.model_validate({"cell": cell, "hidden": hidden})
    spec = SpeedSpec(
        backend=backend,
        variant=variant,
        threads=2,
        model=model,
        batch=batch,
        length=length,
        features=features,
        chunk=chunk,
    )
    return Side(name, spec)


def bare(name: str, framework: str, cell: str, shape: Shape) -> Side:
    """The framework's stock layer in a script of its own."""
    return Side(name, ours(name, framework, "auto", cell, shape).spec, framework)


def keras_fit(name: str, framework: str, cell: str, shape: Shape) -> Side:
    """Keras's own training loop on that framework."""
    spec = ours(name, framework, "auto", cell, shape).spec.model_copy(update={"chunk": WHOLE_EPOCH})
    return Side(name, spec, "keras_fit", {"KERAS_BACKEND": framework})


@dataclass
class Outcome:
    """What became of one side: its blocks by round, all that it said, and the machine's product rates that it read."""

    blocks: dict[int, Block]
    heard: dict[str, Any]
    gflops: list[float] = field(default_factory=list)

    @property
    def reason(self) -> str | None:
        """Why there is nothing to compare; None where there is."""
        return (
            None if self.heard.get("end") == "ok" and self.blocks else self.heard.get("reason") or "no block was held"
        )

    def seconds(self) -> float:
        """The median update."""
        return float(np.median([block.seconds / block.steps for block in self.blocks.values()]))


def contest(sides: Sequence[Side], rounds: int, block_s: float, limits: bool = False) -> dict[str, Outcome]:
    """All sides alive at once, in turns. One that fails is left out from then on; none outlives this call.

    Args:
        sides: few: each turn begins with one untimed update, since the others had the caches.
        rounds: turns of each.
        block_s: what a turn should take.
        limits: read the rate of a large product in one worker of each backend, at the start, in the middle and at the
            end.
    """
    deadline = until(TIMEOUT_S)
    lives = {side.name: side.live(deadline) for side in sides}
    lanes = {name: Lane(live) for name, live in lives.items()}
    gflops: dict[str, list[float]] = {name: [] for name in lives}

    def ask(name: str, what: str) -> Any:
        if not lanes[name].lost:
            try:
                return getattr(lives[name], what)()
            except Lost:
                lanes[name].lost = True
        return None

    def between(number: int) -> None:
        nonlocal reached
        if limits and number != reached and number in (0, rounds // 2):
            read_limits()
        reached = number
        time.sleep(SETTLE_S)

    def read_limits() -> None:
        alive = [side for side in sides if not lanes[side.name].lost]
        readers = {side.spec.backend: side.name for side in reversed(alive)}  # the others have the same libraries
        for name in readers.values():
            time.sleep(SETTLE_S)
            gflops[name] += (ask(name, "limits") or {}).get("gflops", [])

    reached = -1
    try:
        with ThreadPoolExecutor(len(sides)) as pool:  # nothing is timed yet
            list(pool.map(lambda name: ask(name, "get_ready"), lives))
        for name, lane in lanes.items():
            fit(lane, block_s)
            ask(name, "steady")
        hold(list(lanes.values()), rounds, 0, between)
        if limits:
            read_limits()
        for name in lives:
            ask(name, "finish")
    except TimedOut:
        for live in lives.values():
            live.heard = {"end": "timeout", "reason": f"the contest was not done after {TIMEOUT_S:g} s"} | live.heard
    finally:
        for live in lives.values():
            live.stop()
    return {name: Outcome(lanes[name].blocks, lives[name].heard, gflops[name]) for name in lives}


def pairs(reference: Outcome, other: Outcome) -> list[float]:
    """How many times as fast as ``reference``, for each round that both held."""
    return [
        (block.seconds / block.steps) / (other.blocks[number].seconds / other.blocks[number].steps)
        for number, block in sorted(reference.blocks.items())
        if number in other.blocks
    ]
