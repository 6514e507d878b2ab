"""Times work on the device by the device's own events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class DeviceClock:
    """A context manager around work on the device: records one event before it and one after it.

    Args:
        events: two events of the framework, which ``record()`` puts into the device's queue; None on the CPU, where
            there is nothing to record.
        milliseconds: gives the time between two events, once both have happened.
    """

    def __init__(
        self, events: tuple[Any, Any] | None = None, milliseconds: Callable[[Any, Any], float] | None = None
    ) -> None:
        self.events, self.milliseconds = events, milliseconds
        self.ran = False

    def __enter__(self) -> None:
        if self.events:
            self.events[0].record()

    def __exit__(self, *exception: object) -> None:
        if self.events:
            self.events[1].record()
            self.ran = True

    def seconds(self) -> float | None:
        """Seconds between the two events, once both have happened; None before the first use, and on the CPU."""
        if not self.ran or self.events is None or self.milliseconds is None:
            return None
        return float(self.milliseconds(*self.events)) / 1e3
