"""Time as the device sees it."""

from __future__ import annotations

import torch


class DeviceClock:
    """Around work on the device: an event before it and one after it. On the CPU, where there are none, nothing."""

    def __init__(self, device: torch.device) -> None:
        on_cuda = device.type == "cuda"
        self.events = tuple(torch.cuda.Event(enable_timing=True) for _ in range(2)) if on_cuda else ()
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
        if not self.ran:
            return None
        start, end = self.events
        return float(start.elapsed_time(end)) / 1e3  # torch gives milliseconds
