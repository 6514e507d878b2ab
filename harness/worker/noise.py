"""Whether a measurement was disturbed: the kernel's counters before and after, and the distribution of block times.

The worker itself reads the counters: they are of its CPUs and its process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

import numpy as np

from harness.machine import cgroups
from harness.records.base import Noise
from harness.records.figures import Block

#: With fewer blocks nothing is said about their distribution.
FEWEST_BLOCKS = 20
#: Smallest relative change from the median of the first third to that of the last third that is called a drift …
DRIFT = 0.05
#: … provided that it is this many standard errors of the difference.
SIGMAS = 4.0
#: Two groups of blocks: each holds at least this share, and they are apart by this share of the median and by so many
#: spreads of a group.
SHARE, APART, SPREADS = 0.15, 0.15, 4.0
#: Shares of a shorter time are not told: the kernel counts CPU time in ticks of 10 ms.
SHORTEST_S = 0.2
#: A block was paused if it took so many seconds longer than a typical one, and more than twice as long.
PAUSE_S = 1.0


@dataclass(frozen=True)
class Counters:
    """Readings at one moment, of which only differences mean something; None where the system does not say.

    Attributes:
        wall_s: the caller's clock; own_s: CPU seconds of this process.
        switches: context switches that were forced on it.
        steal_s, busy_s: seconds of its CPUs taken by the hypervisor, and spent for any process.
        throttled: times slowed for heat, or because the control group's quota was used up.
        suspended_s: seconds that the system's steady clock left out, because the machine was suspended.
    """

    wall_s: float
    own_s: float
    switches: int | None
    steal_s: float | None
    busy_s: float | None
    throttled: int | None
    suspended_s: float | None = None


def spent(before: Counters, after: Counters, so_far: Counters | None = None) -> Counters:
    """What was counted between two readings, and ``so_far`` between others: as a reading, to be judged from zero on."""

    def added(name: str) -> float | None:
        first, last = getattr(before, name), getattr(after, name)
        return None if first is None or last is None else max(0.0, last - first)

    found = {name: added(name) for name in Counters.__dataclass_fields__}
    if so_far is not None:
        for name, value in found.items():
            former = getattr(so_far, name)
            found[name] = None if value is None or former is None else former + value
    return Counters(**found)  # type: ignore[arg-type]


def judge_turns(blocks: Sequence[Block], counted: Counters | None, cpus: int) -> Noise:
    """What disturbed a contestant in its turns, in between which others had the CPUs.

    Args:
        blocks: the turns, in order.
        counted: in all of them together, as ``spent`` adds them up; None before the first.
        cpus: those that the worker may use.
    """
    if counted is None or counted.wall_s < SHORTEST_S:
        return Noise(drift=relative_drift([block.step_s for block in blocks]), paused_s=paused(blocks))
    zero = Counters(*(None if value is None else 0 for value in vars(counted).values()))  # type: ignore[arg-type]
    return judge(blocks, zero, counted, cpus)


def read(clock_s: float) -> Counters:
    """The counters now, when the caller's clock shows ``clock_s``."""
    times = os.times()
    busy, steal = _cpu_times(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None)
    return Counters(clock_s, times.user + times.system, _switches(), steal, busy, _throttled(), _suspended())


def _switches() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw)


def _cpu_times(cpus: set[int] | None, stat: Path = Path("/proc/stat")) -> tuple[float | None, float | None]:
    """Seconds that these CPUs were busy for anyone, and that the hypervisor took from them."""
    if cpus is None:
        return None, None
    try:
        lines = stat.read_text().splitlines()
        tick = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None, None
    wanted = {f"cpu{number}" for number in cpus}
    rows = [[int(n) for n in line.split()[1:]] for line in lines if line.split(" ", 1)[0] in wanted]
    rows = [row for row in rows if len(row) >= 8]
    if not rows:
        return None, None
    # user, nice, system, idle, iowait, irq, softirq, steal
    busy = sum(sum(row[:3]) + row[5] + row[6] for row in rows)
    return busy / tick, sum(row[7] for row in rows) / tick


def _throttled() -> int | None:
    """How often a CPU was slowed for heat, or the control group's quota was used up."""
    found = [*Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    counts = [int(text) for path in found if (text := _text(path)).isdecimal()]
    if (by_quota := cgroups.throttled()) is not None:
        counts.append(by_quota)
    return sum(counts) if counts else None


def _suspended() -> float | None:
    """By how much the clock that counts suspension is ahead of the one that does not, which times all blocks."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def judge(
    blocks: Sequence[Block], before: Counters, after: Counters, cpus: int, others: Iterable[Sequence[Block]] = ()
) -> Noise:
    """What disturbed a measurement.

    Args:
        blocks: those of training, in order.
        before, after: readings around the blocks.
        cpus: CPUs that the worker may use.
        others: blocks of other work in the same time, which may have been paused, too.
    """
    block_s = [block.step_s for block in blocks]
    wall = max(after.wall_s - before.wall_s, 1e-9)
    own = after.own_s - before.own_s
    switches = _difference(before.switches, after.switches)
    steal = _difference(before.steal_s, after.steal_s)
    busy = _difference(before.busy_s, after.busy_s)
    throttled = _difference(before.throttled, after.throttled)
    outside = None if busy is None else max(0.0, busy - own)
    drift = relative_drift(block_s)
    return Noise(
        drift=drift,
        bimodal=is_bimodal(block_s),
        involuntary_switches_per_s=None if switches is None else switches / wall,
        steal_share=None if steal is None else steal / (wall * cpus),
        outside_share=None if outside is None else outside / (wall * cpus),
        throttled=None if throttled is None else int(throttled),
        paused_s=sum(map(paused, [blocks, *others])) + (_difference(before.suspended_s, after.suspended_s) or 0.0),
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


def paused(blocks: Sequence[Block]) -> float:
    """Seconds that blocks took beyond the typical time of as many steps, where that can only be a pause.

    The process was stopped, or its virtual machine; or it waited for something else for as long.
    """
    if not blocks:
        return 0.0
    typical_s = median_low(block.step_s for block in blocks)
    beyond = [(block.seconds - typical_s * block.steps, typical_s * block.steps) for block in blocks]
    return sum(excess for excess, expected in beyond if excess > max(PAUSE_S, expected))


def relative_drift(block_s: Sequence[float]) -> float | None:
    """How much slower the last third of the blocks is than the first, by their medians; None for no drift."""
    if len(block_s) < FEWEST_BLOCKS:
        return None
    third = len(block_s) // 3
    first, last = np.asarray(block_s[:third]), np.asarray(block_s[-third:])
    start, end = float(np.median(first)), float(np.median(last))
    change = end / start - 1
    # standard error of a median: 1.2533 of the mean's; the spread from the median absolute deviation
    error = 1.2533 * np.hypot(_spread(first), _spread(last)) / np.sqrt(third) / start
    return change if abs(change) > max(DRIFT, SIGMAS * float(error)) else None


def is_bimodal(block_s: Sequence[float]) -> bool:
    """Whether the blocks fall into two groups: Otsu's threshold, then a gap that no single group would have.

    Source: N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9 (1979).
    """
    if len(block_s) < FEWEST_BLOCKS:
        return False
    values = np.sort(np.asarray(block_s, dtype=float))
    n = len(values)
    count = np.arange(1, n)
    low_mean = np.cumsum(values)[:-1] / count
    high_mean = (values.sum() - np.cumsum(values)[:-1]) / (n - count)
    cut = int(np.argmax(count * (n - count) * (high_mean - low_mean) ** 2)) + 1
    low, high = values[:cut], values[cut:]
    apart = float(np.median(high) - np.median(low))
    spread = max(_spread(low), _spread(high))
    return (
        min(len(low), len(high)) >= SHARE * n and apart > APART * float(np.median(values)) and apart > SPREADS * spread
    )


def _spread(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """A standard deviation that single outliers do not move: 1.4826 of the median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
