"""A contestant: a live worker that takes turns with others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

from harness.errors import Lost
from harness.processes import environment
from harness.processes.channel import COMMAND, Channel, TimedOut, WorkerDied, until
from harness.processes.heard import Heard
from harness.protocol import (
    Armed,
    BlockDone,
    Contest,
    End,
    Event,
    Finish,
    Limits,
    Order,
    ReadLimits,
    Ready,
    Steady,
    Turn,
)
from harness.records.figures import Block
from harness.specs.own import file_of
from harness.specs.speed import SpeedSpec

Answer = TypeVar("Answer", bound=Event)

#: Seconds to listen at least: a contestant may have got ready in time while the parent was listening to others, which
#: may have used up the time allowed.
LATE_S = 1.0


class Contestant:
    """A live worker and the turns that it took.

    Attributes:
        spec: of what it computes.
        heard: all that it said about itself; once lost also how it ended, with ``status``, ``reason`` and ``log_tail``.
        steps: updates per turn, once chosen.
        blocks: its turns, by round.
        lost: whether it can take no further turn.
    """

    def __init__(
        self,
        spec: SpeedSpec,
        deadline: float | None = None,
        command: Sequence[str] = COMMAND,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Start the worker.

        Args:
            deadline: of the contest, in seconds of ``time.monotonic``.
            command: as in ``Channel``; extra: variables that this program needs.
        """
        self.spec, self.deadline = spec, deadline
        self.heard = Heard()
        self.steps = 0
        self.blocks: dict[int, Block] = {}
        self.lost = False
        self._ready_s: float | None = None
        self._ready_by: float | None = None
        self.channel = Channel({**environment.worker_variables(spec), **(extra or {})}, command)

    @property
    def name(self) -> str:
        """Backend, variant and device, for people."""
        return f"{self.spec.backend} {self.spec.variant} on {self.spec.device}"

    @property
    def chunk(self) -> int:
        """The most updates that it is handed at once."""
        return self.spec.chunk

    @property
    def whole(self) -> bool:
        """Whether it can only do whole chunks; a prediction is one program's call, whatever trains."""
        return not self.spec.predicts and self.heard.decided is not None and self.heard.decided.tier == "fused"

    def begin(self, cpus: Sequence[int], ready_s: float | None = None) -> None:
        """Begin to get ready, possibly beside others; ``get_ready`` waits for the end.

        Args:
            cpus: those that it may use.
            ready_s: seconds that it may take; None for as long as it takes.
        """
        self._ready_s, self._ready_by = ready_s, until(ready_s)
        self.channel.send(Contest(self.spec.model_dump(mode="json"), list(cpus), file_of(self.spec.model)))

    def get_ready(self) -> None:
        """Wait until it has imported, passed the gate, built and compiled.

        Raises:
            Lost: it cannot, or takes longer than ``begin`` allowed.
            TimedOut: the contest's deadline passed first.
        """
        ready_by = None if self._ready_by is None else max(self._ready_by, time.monotonic() + LATE_S)
        try:
            self._hear(Ready, min((each for each in (self.deadline, ready_by) if each is not None), default=None))
        except TimedOut:
            if self.deadline is not None and time.monotonic() >= self.deadline:
                raise
            self.heard.end("timeout", f"not ready after {self._ready_s:g} s (--ready)", self.channel.tail())
            self.channel.dismiss()
            raise Lost from None

    def turn(self, steps: int) -> Block:
        """Do ``steps`` updates. Raises Lost."""
        done = self._ask(Turn(steps), BlockDone)
        return Block(done.steps, done.seconds)

    def steady(self) -> None:
        """From now on nothing may compile: ``finish`` raises Lost where something did. Raises Lost."""
        self._ask(Steady(), Armed)

    def read_limits(self) -> None:
        """Add to ``heard.limits`` a reading of the machine's, where the backend has probes for them. Raises Lost."""
        self._ask(ReadLimits(), Limits)

    def finish(self) -> None:
        """Collect the last figures and how it ended. Raises Lost unless it ended well."""
        end = self._ask(Finish(), End)
        if end.status != "ok":
            self.heard.log_tail = self.channel.tail()
            raise Lost

    def _ask(self, order: Order, answer: type[Answer]) -> Answer:
        self.channel.send(order)
        return self._hear(answer, self.deadline)

    def _hear(self, answer: type[Answer], deadline: float | None) -> Answer:
        """What the worker says until ``answer`` comes.

        Raises:
            Lost: the worker ended first.
            TimedOut: the deadline passed first.
        """
        try:
            while (event := self.channel.hear(deadline)) is not None:
                self.heard.take(event)
                if isinstance(event, answer):
                    return event
                if isinstance(event, End):
                    break
            else:
                self.heard.end("failed", self.channel.how_it_ended())
        except WorkerDied as death:
            self.heard.end("failed", str(death))
        self.heard.log_tail = self.channel.tail()
        raise Lost
