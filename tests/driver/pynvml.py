"""A driver with one device, in place of ``nvidia-ml-py`` where this folder is first on the path.

The device takes 100 W and is busy a quarter of its time, and the process that asks holds 300 MiB of it.
"""

from __future__ import annotations

import os
import time
from typing import Any

from tests.harness.fake_nvml import FakeNvml

PERIOD_US = 10**6 // 6


class Running:
    """What changes by itself: the counter of energy, in millijoules, and the samples of the last fifteen seconds."""

    uuid = "GPU-0000"
    processes = [(os.getpid(), 300 * 2**20)]

    @property
    def energy(self) -> int:
        return round(100_000 * time.monotonic())

    @property
    def samples(self) -> list[tuple[int, int]]:
        newest = time.time_ns() // 1000 // PERIOD_US
        return [(number * PERIOD_US, 25) for number in range(newest - 90, newest + 1)]


_nvml: Any = FakeNvml(Running())  # type: ignore[arg-type]


def __getattr__(name: str) -> Any:
    return getattr(_nvml, name)
