"""A worker process, its log, and the messages exchanged with it. The parent sleeps while it waits."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType

from harness.machine.personal import impersonal
from harness.machine.process import LIFELINE
from harness.processes import environment
from harness.processes.stopping import may_stop
from harness.protocol import End, Event, Order, ProtocolError, Request, decode_event, encode

COMMAND = (sys.executable, "-P", "-m", "harness.worker")
GRACE_S = 2.0
LOG_TAIL_BYTES = 4000
#: Seconds that one call may wait: systems take no arbitrary number.
LONGEST_WAIT_S = 86_400.0
_KILLED = "the worker was killed by "
_FROM_OUTSIDE = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT")


class TimedOut(Exception):
    """The worker did not answer in time."""


class WorkerDied(RuntimeError):
    """The worker ended without saying how, or said something that is no message; the message says which."""


class Channel:
    """A worker process: messages to its standard input, events from its standard output, all else in its log.

    A context manager; when it is left the process and all that it started are gone. They also go when this process
    does, however it ends: see ``harness.machine.process.die_with``.
    """

    def __init__(
        self, variables: Mapping[str, str], command: Sequence[str] = COMMAND, extra: Mapping[str, str] | None = None
    ) -> None:
        """Start the process.

        Args:
            variables: of its environment, beyond what a worker inherits.
            command: another program that follows ``harness.protocol`` (``tests/bench`` has one), or another Python.
            extra: further variables, which say nothing about the measurement.
        """
        self.variables = dict(variables)
        env, self.strays = environment.worker_environment(self.variables, os.environ)
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        theirs, self._lifeline = os.pipe()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**env, **(extra or {}), LIFELINE: str(theirs)},
            pass_fds=(theirs,),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops the worker
        )
        os.close(theirs)
        self._lines: list[bytes] = []
        self._rest = b""

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def send(self, message: Request | Order) -> None:
        """Write one message. Does not raise if the worker has died: ``hear`` notices."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(encode(message))
            self.process.stdin.flush()

    def close_input(self) -> None:
        """Send nothing more: the worker then reads the end of its input."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def hear(self, deadline: float | None = None) -> Event | None:
        """The next event; None once the worker has closed its output.

        What the worker has said already is heard before a signal that asks to stop.

        Args:
            deadline: in seconds of ``time.monotonic``; None to wait for ever.

        Raises:
            TimedOut: the deadline passed first.
            WorkerDied: the worker sent something that is no message.
        """
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while not self._lines:
                if not selector.select(0):
                    _wait(selector, deadline)
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    return None
                *self._lines, self._rest = (self._rest + data).split(b"\n")
        try:
            return decode_event(self._lines.pop(0))
        except ProtocolError as error:
            raise WorkerDied(f"the worker sent an invalid message: {error}") from None

    def ask(self, request: Request) -> None:
        """Send the only request."""
        self.send(request)
        self.close_input()

    def events(self, deadline: float | None = None) -> Iterator[Event]:
        """The events until the worker closes its output.

        Raises:
            TimedOut, WorkerDied: as ``hear``, or the worker closed its output without ``End``.
        """
        ended = False
        while (event := self.hear(deadline)) is not None:
            ended = isinstance(event, End)
            yield event
        if not ended:
            raise WorkerDied(self.how_it_ended())

    def conversation(self, request: Request, deadline: float | None = None) -> Iterator[Event]:
        """Send the only request and yield the events, as ``ask`` and ``events``."""
        self.ask(request)
        yield from self.events(deadline)

    def how_it_ended(self) -> str:
        """What became of a worker that closed its output, in words."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        return _how_it_ended(self.process.poll())

    def dismiss(self) -> None:
        """Ask the worker to end, without waiting for it. To stop several, dismiss all, then ``stop`` each."""
        if self.log.closed:
            return
        self.close_input()
        if self.process.stdout:
            self.process.stdout.close()
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)

    def stop(self) -> None:
        """End the worker and all that it started: SIGTERM, then SIGKILL. The log is gone afterwards."""
        if self.log.closed:
            return
        self.dismiss()
        try:
            self._end()
        finally:
            os.close(self._lifeline)
            self.log.close()

    def _end(self) -> None:
        if self.process.poll() is None:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, signal.SIGTERM)
                self.process.wait(GRACE_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # what it started may outlive it
        self.process.wait()

    def tail(self) -> str | None:
        """The end of what the worker and its libraries printed, without names of the user; None for nothing."""
        self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, self.log.tell() - LOG_TAIL_BYTES))
        return impersonal(self.log.read().decode(errors="replace")).strip() or None


def _wait(selector: selectors.BaseSelector, deadline: float | None) -> None:
    """Wait until there is something to read. A signal may interrupt this: nothing is read yet. Raises TimedOut."""
    while True:
        left = LONGEST_WAIT_S if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimedOut
        with may_stop():
            if selector.select(min(left, LONGEST_WAIT_S)):
                return


def until(timeout: float | None) -> float | None:
    """The deadline ``timeout`` seconds from now, by ``time.monotonic``; None without a timeout."""
    return None if timeout is None else time.monotonic() + timeout


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "the worker closed its output before the run was done"
    if status >= 0:
        return f"the worker exited with status {status} before the run was done"
    name = _signal_name(-status)
    hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"{_KILLED}{name}{hint}"


def killed_from_outside(reason: str | None) -> bool:
    """Whether a run failed because something else ended its worker: a fault of the machine's, not of the run's.

    A worker that crashes gets signals of another kind. One that takes too much memory is killed like this, too: there
    the system decides which process it is.

    Args:
        reason: why it failed, as ``Channel.how_it_ended`` says it.
    """
    return reason is not None and reason.startswith(tuple(_KILLED + name for name in _FROM_OUTSIDE))


def _signal_name(number: int) -> str:
    """A signal's name; of real-time signals only the first and the last have one in Python."""
    try:
        return signal.Signals(number).name
    except ValueError:
        first: int = getattr(signal, "SIGRTMIN", number + 1)
        return f"SIGRTMIN+{number - first}" if number > first else f"signal {number}"
