"""A contestant that is a live worker process."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import Lost
from harness.processes import environment
from harness.processes.channel import COMMAND, Channel, TimedOut
from harness.records.figures import Block
from harness.specs.speed import SpeedSpec

#: For what a worker said while others were listened to, whose time is over by now.
SAID_S = 1.0


class Live:
    """A worker that stands ready to take turns; ``heard`` is all that it said about itself.

    Once lost, ``heard`` holds how it ended: ``end``, ``reason`` and ``log_tail``. ``command`` is another programme that
    speaks as a worker does (``tests/bench`` has one), ``more`` are variables that it needs.
    """

    def __init__(
        self,
        spec: SpeedSpec,
        deadline: float | None,
        command: Sequence[str] = COMMAND,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.spec, self.deadline = spec, deadline
        self.variables = {**environment.worker_variables(spec), **(more or {})}
        env, self.strays = environment.worker_environment(self.variables, os.environ)
        self.heard: dict[str, Any] = {}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        self.channel = Channel(env, self.log, command)
        self.begun = False
        self.ready_s: float | None = None
        self.ready_by: float | None = None

    @property
    def chunk(self) -> int:
        return self.spec.chunk

    @property
    def whole(self) -> bool:
        return self.heard.get("tier") == "fused"

    def begin(self, ready_s: float | None = None) -> None:
        """Begin to get ready, in ``ready_s`` seconds at most, while others do: ``get_ready`` hears how it went."""
        self.channel.send({"speed": self.spec.model_dump(mode="json")})
        self.begun, self.ready_s, self.ready_by = True, ready_s, until(ready_s)

    def get_ready(self) -> None:
        """Import, pass the gate, build, compile. Raises Lost: what takes too long holds up all the others."""
        if not self.begun:
            self.begin()
        own = None if self.ready_by is None else max(self.ready_by, time.monotonic() + SAID_S)
        try:
            self._hear("ready", min((each for each in (self.deadline, own) if each is not None), default=None))
        except TimedOut:
            if self.deadline is not None and time.monotonic() >= self.deadline:
                raise
            self.heard |= {"end": "timeout", "reason": f"not ready after {self.ready_s:g} s (--ready)"}
            self.heard["log_tail"] = self.channel.tail()
            self.dismiss()
            raise Lost from None

    def turn(self, steps: int) -> Block:
        return Block(**self._ask({"turn": steps}, "block"))

    def steady(self) -> None:
        """From now on nothing may compile. Raises Lost."""
        self._ask({"steady": True}, "steady")

    def limits(self) -> Mapping[str, list[float]] | None:
        """Rates of a large product and a large copy, now. Raises Lost."""
        found: Mapping[str, list[float]] | None = self._ask({"limits": True}, "limits")
        return found

    def finish(self) -> None:
        """Hear the last figures and how it ended. Raises Lost where that is not well."""
        self._ask({"finish": True}, "end")
        if self.heard["end"] != "ok":
            raise Lost

    def dismiss(self) -> None:
        """Tell the process to end; ``stop`` waits for it."""
        if not self.log.closed:
            self.channel.dismiss()

    def stop(self) -> None:
        """End the process, however far it is."""
        if not self.log.closed:
            self.channel.stop()
            self.log.close()

    def _ask(self, message: Mapping[str, Any], answer: str) -> Any:
        """Say something and hear until ``answer`` comes. Raises as ``_hear``."""
        self.channel.send(message)
        return self._hear(answer, self.deadline)

    def _hear(self, answer: str, deadline: float | None) -> Any:
        """What the worker says until ``answer`` comes.

        Raises:
            Lost: the worker ended first.
            TimedOut: the deadline passed first.
        """
        while (event := self.channel.hear(deadline)) is not None:
            if answer in event and answer not in ("ready", "end"):
                return event[answer]
            self.heard |= event
            if answer in event:
                return event[answer]
            if "end" in event:
                break
        else:
            self.heard |= {"end": "failed", "reason": self.channel.how_it_ended()}
        self.heard["log_tail"] = self.channel.tail()
        raise Lost


def until(timeout: float | None) -> float | None:
    """A deadline that many seconds from now."""
    return None if timeout is None else time.monotonic() + timeout
