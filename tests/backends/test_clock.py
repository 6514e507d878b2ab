"""Time between two events of a device, here made-up ones: a CPU has none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.numpy.clock import DeviceClock


class Event:
    """Knows when it was recorded, in milliseconds."""

    now = 0.0

    def record(self) -> None:
        Event.now += 250.0
        self.at = Event.now

    def elapsed_time(self, end: Event) -> float:
        return end.at - self.at


def cupy_clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    cuda = SimpleNamespace(Event=Event, get_elapsed_time=Event.elapsed_time)
    return DeviceClock(SimpleNamespace(cuda=cuda))


def torch_clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    torch = pytest.importorskip("torch")
    from backends.torch.clock import DeviceClock

    monkeypatch.setattr(torch.cuda, "Event", lambda enable_timing: Event())
    return DeviceClock(torch.device("cuda"))


@pytest.mark.parametrize("made", [cupy_clock, torch_clock])
def test_seconds_are_those_between_the_events_of_the_last_use(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    clock = made(monkeypatch)
    assert clock.seconds() is None
    for _ in range(2):
        with clock:
            pass
        assert clock.seconds() == 0.25


def test_a_cpu_has_no_events() -> None:
    clock = DeviceClock(np)
    with clock:
        pass
    assert clock.seconds() is None
