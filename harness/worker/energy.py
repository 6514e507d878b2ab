"""Energy, memory and idle time of the device that trains. Read between timed blocks, never within one."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from harness.machine.nvml import Device, NvmlUnavailable, Sample, first_visible
from harness.worker.clocks import Clocks

#: Seconds between two readings. The driver keeps the samples of the last fifteen or so; a reading takes milliseconds.
EVERY_S = 5.0
#: Shortest time over which energy is reported: its counter moves about ten times a second.
SHORTEST_S = 1.0
#: With fewer samples of utilisation their mean says nothing.
FEWEST_SAMPLES = 5


@dataclass(frozen=True)
class Reading:
    """One moment: the clock, the seconds so far in which the device had work, and its energy counter."""

    at_s: float
    working_s: float
    energy_mj: int | None


@dataclass
class Meter:
    """Reads the device between blocks: the training loop calls it with the number of updates done.

    Attributes:
        device: what is read; None for a run on the CPU, where nothing is read.
        clocks: of the run. ``train`` and ``predict`` are the time in which the device had work; reading takes its
            time from neither, but from ``meter``.
        warm_up: updates before the steady state.
        steps: updates in all.
        ends: updates between two moments at which training may end before; None where it goes to the last.
    """

    device: Device | None
    clocks: Clocks
    warm_up: int
    steps: int
    ends: int | None = None
    pid: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        self.gpu: dict[str, str] = {}
        self.start: Reading | None = None
        self.steady: tuple[int, Reading] | None = None
        self.end: Reading | None = None
        self.done = 0  # at that reading
        self.process_bytes: int | None = None
        self.samples: list[Sample] = []
        self._since_us = 0
        self._looked_s = 0.0

    def __call__(self, done: int) -> None:
        """Take the readings that are due after ``done`` updates."""
        if self.device is None:
            return
        with self.clocks("meter"):
            self._read(self.device, done)

    def _read(self, device: Device, done: int) -> None:
        begins_steady = self.steady is None and self.warm_up <= done < self.steps
        if done == 0:
            self.start = self._reading(device)
        if begins_steady:
            self.steady = done, self._reading(device)
            self._since_us = device.last_sample_us()
        may_be_last = done == self.steps or (self.ends is not None and done > 0 and done % self.ends == 0)
        if may_be_last:
            self.end, self.done = self._reading(device), done
            self.gpu = device.facts().words()  # the clocks are still those of the work
        if done == 0 or may_be_last or begins_steady or self.clocks.clock() - self._looked_s >= EVERY_S:
            self._look(device)

    def _reading(self, device: Device) -> Reading:
        return Reading(self.clocks.clock(), self.clocks["train"] + self.clocks["predict"], device.energy_mj())

    def _look(self, device: Device) -> None:
        """The memory held now, and the samples since the last look."""
        self._looked_s = self.clocks.clock()
        held = device.process_bytes(self.pid)
        self.process_bytes = max((n for n in (held, self.process_bytes) if n is not None), default=None)
        if self.steady and (found := device.samples(self._since_us)):
            self.samples += found
            self._since_us = found[-1].at_us

    def figures(self, batch: int) -> dict[str, Any]:
        """Fields of ``records.Metrics``, for updates of ``batch`` sequences."""
        return {
            "energy_j": _joules(self.start, self.end),
            "joules_per_1000_sequences": self._joules_per_1000(batch),
            "device_process_bytes": self.process_bytes,
            "device_idle_share": self._idle_share(),
        }

    def _joules_per_1000(self, batch: int) -> float | None:
        """Of the steady state, as throughput is."""
        if self.steady is None or (joules := _joules(self.steady[1], self.end)) is None:
            return None
        return 1000 * joules / ((self.done - self.steady[0]) * batch)

    def _idle_share(self) -> float | None:
        """Share of the steady state's time in training and prediction in which the device computed nothing.

        The samples cover all time, also that in which the host draws data. So the device's busy seconds, mean of the
        samples × wall time, are divided by the seconds in which it had work.
        """
        if self.steady is None or self.end is None or len(self.samples) < FEWEST_SAMPLES:
            return None
        begin = self.steady[1]
        working = self.end.working_s - begin.working_s
        if working <= 0:
            return None
        mean = sum(sample.busy for sample in self.samples) / len(self.samples)
        return min(1.0, max(0.0, 1 - mean * (self.end.at_s - begin.at_s) / working))


def _joules(begin: Reading | None, end: Reading | None) -> float | None:
    if begin is None or end is None or begin.energy_mj is None or end.energy_mj is None:
        return None
    if end.at_s - begin.at_s < SHORTEST_S or end.energy_mj < begin.energy_mj:
        return None
    return (end.energy_mj - begin.energy_mj) / 1e3


def of_run(device: str, clocks: Clocks, warm_up: int, steps: int, ends: int | None = None) -> tuple[Meter, str | None]:
    """The meter of a run, and why it cannot read the device; None if it can, or if ``device`` is ``cpu``."""
    if device != "cuda":
        return Meter(None, clocks, warm_up, steps, ends), None
    try:
        return Meter(first_visible(os.environ.get("CUDA_VISIBLE_DEVICES")), clocks, warm_up, steps, ends), None
    except NvmlUnavailable as error:
        return Meter(None, clocks, warm_up, steps, ends), str(error)
