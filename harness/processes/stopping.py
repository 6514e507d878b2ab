"""Signals that ask the command to stop, and the moments at which they may."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

#: Ctrl-C, a request to end, a terminal that was closed, Ctrl-\. Windows has the first two.
SIGNALS = tuple(
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if name in signal.Signals.__members__
)


@dataclass
class _State:
    """Of this process, as its signals are.

    Attributes:
        taken: whether they are, by a block of ``terminated_as_interrupted``.
        may_raise: whether one that comes now raises KeyboardInterrupt.
        asked: whether one is held back.
        came: whether one has come within the block.
        ends_here: whether the process ends when its command does.
        terminals: its open ones.
    """

    taken: bool = False
    may_raise: bool = False
    asked: bool = False
    came: bool = False
    ends_here: bool = False
    terminals: list[int] = field(default_factory=list)


_state = _State()


def end_with_the_command() -> None:
    """This process ends when its command does, so that after one signal no other changes anything, to its very end:
    one that comes when the record is written and Python shuts down would replace the exit status.
    """
    _state.ends_here = True


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Each of ``SIGNALS`` does what Ctrl-C does, and none of them comes between a result and its record.

    A signal is held back, except within ``may_stop``, where it raises KeyboardInterrupt: once, so that a second one
    does not end what the first one began (``end_with_the_command``: nor what comes after the block). A signal that was
    ignored before, as ``nohup`` leaves SIGHUP, still is.
    Within another such block this one changes nothing, nor does it in another thread: signals come in the main one.
    """
    if _state.taken or not _in_main_thread():
        yield
        return
    _state.taken, _state.asked, _state.came = True, False, False
    _state.terminals = [number for number in (1, 2) if os.isatty(number)]
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number in SIGNALS:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, _take)
        yield
    finally:
        over = _state.ends_here and _state.came
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if over else before[number])
        _state.taken = False


def _take(number: int, frame: FrameType | None) -> None:
    _state.came = True
    if number == getattr(signal, "SIGHUP", None):
        _leave_closed_terminals()
    if not _state.may_raise:
        _state.asked = True
        return
    _state.may_raise = False
    raise KeyboardInterrupt


def _leave_closed_terminals() -> None:
    """Lead output to a terminal that is gone into the void: writing to it would fail."""
    for number in _state.terminals:
        if not os.isatty(number):
            void = os.open(os.devnull, os.O_WRONLY)
            os.dup2(void, number)
            os.close(void)


@contextmanager
def may_stop() -> Iterator[None]:
    """Around what waits and has nothing to lose. A signal that was held back raises KeyboardInterrupt at once."""
    if not _state.taken or not _in_main_thread():
        yield
        return
    _state.may_raise = True
    try:
        if _state.asked:
            _state.asked = False
            raise KeyboardInterrupt
        yield
    finally:
        _state.may_raise = False


def postpone() -> bool:
    """Hold the signal that raised KeyboardInterrupt back again; False where signals are not taken."""
    if not _in_main_thread():
        return False
    _state.asked = _state.taken
    return _state.taken


def asked_to_stop() -> bool:
    """Whether a signal is held back: then nothing new should begin."""
    return _state.asked and _in_main_thread()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
