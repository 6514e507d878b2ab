"""Time between two events of a device, here made-up ones: a CPU has none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends.device_clock import DeviceClock


class Event:
    """Knows when it was recorded, in milliseconds. The device's time goes on by 250 with each."""

    now = 0.0

    def __init__(self, **_: bool) -> None:
        self.at: Any = None

    def record(self) -> None:
        Event.now += 250.0
        self.at = Event.now

    def elapsed_time(self, end: Event) -> float:
        assert None not in (self.at, end.at), "an event that was never recorded"
        elapsed: float = end.at - self.at
        return elapsed


def ours(monkeypatch: pytest.MonkeyPatch) -> DeviceClock:
    return DeviceClock((Event(), Event()), Event.elapsed_time)


def cupys(monkeypatch: pytest.MonkeyPatch) -> DeviceClock:
    from backends.numpy import trainer

    return trainer._device_clock(
        SimpleNamespace(cuda=SimpleNamespace(Event=Event, get_elapsed_time=Event.elapsed_time))
    )


def torchs(monkeypatch: pytest.MonkeyPatch) -> DeviceClock:
    torch = pytest.importorskip("torch")
    from backends.torch import trainer

    monkeypatch.setattr(torch.cuda, "Event", Event)
    return trainer._device_clock(torch.device("cuda"))


@pytest.mark.parametrize("made", [ours, cupys, torchs])
def test_seconds_are_those_between_the_events_of_the_last_use(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    clock = made(monkeypatch)
    assert clock.seconds() is None
    for inside_ms in (0.0, 500.0):
        with clock:
            assert clock.events[0].at == Event.now, "the first event comes before the work"
            Event.now += inside_ms
        assert clock.events[1].at == Event.now, "the second one after it"
        assert clock.seconds() == (250.0 + inside_ms) / 1e3
        assert clock.seconds() == (250.0 + inside_ms) / 1e3, "asking changes nothing"


def no_clock() -> DeviceClock:
    return DeviceClock()


def numpys() -> DeviceClock:
    from backends.numpy import trainer

    return trainer._device_clock(np)


def torchs_on_the_cpu() -> DeviceClock:
    torch = pytest.importorskip("torch")
    from backends.torch import trainer

    return trainer._device_clock(torch.device("cpu"))


@pytest.mark.parametrize("made", [no_clock, numpys, torchs_on_the_cpu])
def test_a_cpu_has_no_events(made: Any) -> None:
    clock = made()
    with clock:
        pass
    assert clock.events is None
    assert clock.seconds() is None
