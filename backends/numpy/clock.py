"""Time as the device sees it."""

from __future__ import annotations

from typing import Any

import numpy as np


class DeviceClock:
    """Around work on the device: an event before it and one after it. NumPy, on the CPU, has none: nothing."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.events = () if xp is np else (xp.cuda.Event(), xp.cuda.Event())
        self.ran = False

    def __enter__(self) -> None:
        if self.events:
            self.events[0].record()

    def __exit__(self, *exception: object) -> None:
        if self.events:
            self.events[1].record()
            self.ran = True

    def seconds(self) -> float | None:
        """Between the two events, once both have happened; None before there were any."""
        return float(self.xp.cuda.get_elapsed_time(*self.events)) / 1e3 if self.ran else None  # CuPy gives milliseconds
