"""A worker process and the lines exchanged with it. The parent sleeps while it waits."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

COMMAND = (sys.executable, "-P", "-m", "harness.worker")
GRACE_S = 2.0
LOG_TAIL_BYTES = 4000


class TimedOut(Exception):
    """The worker had its time."""


class WorkerDied(RuntimeError):
    """The worker ended without saying how."""


class Channel:
    """A worker's life: JSON lines to its standard input, events as JSON lines from its standard output."""

    def __init__(self, env: Mapping[str, str], log: IO[bytes], command: Sequence[str] = COMMAND) -> None:
        self.log = log
        self.worker = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=dict(env),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops the worker
        )
        self._lines: list[bytes] = []
        self._rest = b""

    def send(self, message: Mapping[str, Any]) -> None:
        """One line to the worker. To one that died this says nothing: ``hear`` tells more."""
        assert self.worker.stdin is not None
        with suppress(BrokenPipeError):
            self.worker.stdin.write(json.dumps(message).encode() + b"\n")
            self.worker.stdin.flush()

    def close_input(self) -> None:
        """There is nothing more to say."""
        assert self.worker.stdin is not None
        with suppress(BrokenPipeError):
            self.worker.stdin.close()

    def hear(self, deadline: float | None = None) -> dict[str, Any] | None:
        """The next event; None once the worker has closed its output.

        Args:
            deadline: in seconds of ``time.monotonic``; None to wait for ever.

        Raises:
            TimedOut: the deadline passed first.
        """
        assert self.worker.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.worker.stdout, selectors.EVENT_READ)
            while not self._lines:
                left = None if deadline is None else deadline - time.monotonic()
                if (left is not None and left <= 0) or not selector.select(left):
                    raise TimedOut
                data = os.read(self.worker.stdout.fileno(), 65536)
                if not data:
                    return None
                *self._lines, self._rest = (self._rest + data).split(b"\n")
        event: dict[str, Any] = json.loads(self._lines.pop(0))
        return event

    def how_it_ended(self) -> str:
        """What became of a worker that closed its output, in words."""
        with suppress(subprocess.TimeoutExpired):
            self.worker.wait(GRACE_S)
        return _how_it_ended(self.worker.poll())

    def dismiss(self) -> None:
        """Tell the worker to end, politely, and do not wait: ``stop`` does, of several after each was told."""
        self.close_input()
        if self.worker.stdout:
            self.worker.stdout.close()
        if self.worker.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.worker.pid, signal.SIGTERM)

    def stop(self) -> None:
        """End the worker and all that it started: politely, then not."""
        self.dismiss()
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            if self.worker.poll() is not None:
                return
            try:
                os.killpg(self.worker.pid, signal_number)
                self.worker.wait(GRACE_S)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.worker.wait()

    def tail(self) -> str | None:
        """The end of what the worker and its libraries printed."""
        return tail(self.log)


def tail(log: IO[bytes]) -> str | None:
    """The end of a log, without the user's home folder; None where it is empty."""
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
    home = os.environ.get("HOME") or "~"
    return log.read().decode(errors="replace").replace(home, "~").strip() or None


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "the worker closed its output before the run was done"
    if status >= 0:
        return f"the worker exited with status {status} before the run was done"
    name = signal.Signals(-status).name
    hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"the worker was killed by {name}{hint}"
