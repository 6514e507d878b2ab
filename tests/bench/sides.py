"""Sides of a contest, harness workers and bare scripts alike, and what the rounds that they held amount to."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.processes.channel import COMMAND, TimedOut
from harness.processes.contestant import Contestant
from harness.processes.heard import Heard
from harness.records.figures import Block
from harness.specs.shapes import Shape
from harness.specs.speed import Measure, SpeedSpec
from harness.workflows.contest import Contest, Settings

HERE = Path(__file__).resolve().parent
#: Seconds after which a contest is given up.
TIMEOUT_S = 300.0
#: Most updates that a worker is handed at once.
CHUNK = int(SpeedSpec.model_fields["chunk"].default)
#: A call of ``model.fit`` is an epoch, and an epoch is a whole turn.
WHOLE_EPOCH = 100_000


@dataclass(frozen=True)
class Side:
    """One that takes part: a worker of the harness, or the script of that name where there is one."""

    name: str
    spec: SpeedSpec
    script: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def start(self, deadline: float | None) -> Contestant:
        """The live contestant."""
        command = (sys.executable, "-P", str(HERE / "contestant.py"), self.script) if self.script else COMMAND
        return Contestant(self.spec, deadline, command, self.more)


def ours(
    name: str, backend: str, variant: str, cell: str, shape: Shape, chunk: int = CHUNK, measure: Measure = "train"
) -> Side:
    """A variant, as ``harness speed`` measures it."""
    chosen = {"backend": backend, "variant": variant, "cell": cell, "threads": 2, "chunk": chunk, "measure": measure}
    return Side(name, SpeedSpec.of_shape(shape, **chosen))


def bare(name: str, framework: str, cell: str, shape: Shape, measure: Measure = "train") -> Side:
    """The framework's stock layer in a script of its own, which trains, or predicts from the host and back."""
    return Side(name, ours(name, framework, "auto", cell, shape, measure=measure).spec, framework)


def keras_fit(name: str, framework: str, cell: str, shape: Shape) -> Side:
    """Keras's own training loop on that framework."""
    spec = ours(name, framework, "auto", cell, shape).spec.model_copy(update={"chunk": WHOLE_EPOCH})
    return Side(name, spec, "keras_fit", {"KERAS_BACKEND": framework})


@dataclass
class Outcome:
    """What became of one side: its blocks by round, all that it said, and the machine's product rates that it read."""

    blocks: dict[int, Block]
    heard: Heard
    gflops: list[float] = field(default_factory=list)

    @property
    def reason(self) -> str | None:
        """Why there is nothing to compare; None where there is."""
        if self.heard.status == "ok" and self.blocks:
            return None
        return self.heard.reason or "no block was held"

    @property
    def variant(self) -> str | None:
        """The variant that ran, or the script."""
        return self.heard.decided.variant if self.heard.decided else None

    def seconds(self) -> float:
        """The median update."""
        return float(np.median([block.step_s for block in self.blocks.values()]))


def contest(sides: Sequence[Side], rounds: int, block_s: float, limits: bool = False) -> dict[str, Outcome]:
    """All sides alive at once, in turns. One that fails is left out from then on; none outlives this call.

    Args:
        sides: few: each turn begins with one untimed update, since the others had the caches.
        rounds: turns of each.
        block_s: what a turn should take.
        limits: read the machine's limits in one worker of each backend.
    """
    # all get ready at once: nothing is timed yet
    settings = Settings(rounds, block_s, TIMEOUT_S, starts=len(sides))
    held = Contest({side.name: side.start for side in sides}, settings, limits=limits)
    with suppress(TimedOut), held:
        held.get_ready()
        held.take_turns()
        held.finish()
    found = {}
    for name, contestant in held.contestants.items():
        heard = contestant.heard
        if heard.status is None:
            heard.end("timeout", f"the contest was not done after {TIMEOUT_S:g} s")
        gflops = [rate for reading in heard.limits for rate in reading.gflops]
        found[name] = Outcome(contestant.blocks, heard, gflops)
    return found


def pairs(reference: Outcome, other: Outcome) -> list[float]:
    """How many times as fast as ``reference``, for each round that both held: per step, an update or a prediction.

    All have the same batch, so that it is the ratio of sequences per second, too.
    """
    return [
        block.step_s / other.blocks[number].step_s
        for number, block in sorted(reference.blocks.items())
        if number in other.blocks
    ]
