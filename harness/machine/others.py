"""What others compute on this machine: the kernel's counters of CPUs and processes, whose differences mean something.

Standard library only. Linux alone has such counters for every process; elsewhere there is no reading.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
#: The busiest processes that are named, and from which part of a CPU on.
NAMED, WORTH_NAMING = 3, 0.02


class Process(NamedTuple):
    """A process at one moment: its CPU seconds so far, and those of its children that it saw end."""

    name: str
    parent: int
    own_s: float
    ended_s: float


@dataclass(frozen=True)
class Reading:
    """The counters at one moment.

    Attributes:
        at_s: the caller's clock.
        busy_s: by CPU, seconds in which it computed for anyone or was taken by the hypervisor.
        ours_s: CPU seconds of this process and all of its descendants, those that have ended included.
        others: CPU seconds of every other process, by its number and the moment it started.
        names: of these processes.
    """

    at_s: float
    busy_s: Mapping[int, float]
    ours_s: float
    others: Mapping[tuple[int, int], float]
    names: Mapping[tuple[int, int], str]


class Found(NamedTuple):
    """What others did between two readings: the share of these CPUs that they took, in so many seconds, and how many
    CPUs' worth of time the busiest of them took, by name, wherever they ran.
    """

    share: float
    over_s: float
    busiest: dict[str, float]


def read(at_s: float, proc: Path = PROC, us: int | None = None) -> Reading | None:
    """The counters now, when the caller's clock shows ``at_s``; None where the system has none.

    Args:
        us: the process whose own work and whose descendants' is no others'; None for this one.
    """
    try:
        tick = os.sysconf("SC_CLK_TCK")
        rows = [line.split() for line in (proc / "stat").read_text().splitlines()]
    except (OSError, ValueError, AttributeError):
        return None
    # user, nice, system, idle, iowait, irq, softirq, steal; the time of guests is in the first two already
    cpus = {int(name[3:]): [int(each) for each in rest] for name, *rest in rows if name[:3] == "cpu" and name[3:]}
    busy = {cpu: (sum(row[:3]) + sum(row[5:8])) / tick for cpu, row in cpus.items()}
    processes = _processes(proc, tick)
    us = os.getpid() if us is None else us
    tree = _tree(us, processes)
    ours = sum(each.own_s + each.ended_s for (number, _), each in processes.items() if number in tree)
    others = {key: each for key, each in processes.items() if key[0] not in tree}
    return Reading(
        at_s, busy, ours, {key: each.own_s for key, each in others.items()},
        {key: each.name for key, each in others.items()},
    )  # fmt: skip


def between(before: Reading, after: Reading, cpus: Collection[int]) -> Found:
    """What others did on these CPUs between two readings.

    All of our own work counts as done on them: workers are tied to them, and the parent sleeps.
    """
    over_s = max(after.at_s - before.at_s, 1e-9)
    busy = sum(max(0.0, after.busy_s.get(cpu, 0.0) - before.busy_s.get(cpu, 0.0)) for cpu in cpus)
    ours = max(0.0, after.ours_s - before.ours_s)
    took: dict[str, float] = {}
    for key, seconds in after.others.items():
        name, spent_s = after.names[key], max(0.0, seconds - before.others.get(key, 0.0))
        took[name] = took.get(name, 0.0) + spent_s / over_s
    most = sorted(took.items(), key=lambda each: -each[1])[:NAMED]
    named = {name: share for name, share in most if share >= WORTH_NAMING}
    return Found(max(0.0, busy - ours) / (over_s * max(1, len(cpus))), over_s, named)


def _processes(proc: Path, tick: int) -> dict[tuple[int, int], Process]:
    """Every process that can be seen, by its number and the tick at which it started: numbers are used again."""
    found = {}
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile, or is hidden
            # the name, in parentheses, may have spaces and parentheses of its own
            text = (folder / "stat").read_bytes().decode(errors="replace")
            head, _, rest = text.rpartition(")")
            fields = rest.split()
            utime, stime, children_utime, children_stime = (int(each) / tick for each in fields[11:15])
            found[int(folder.name), int(fields[19])] = Process(
                head.partition("(")[2], int(fields[1]), utime + stime, children_utime + children_stime
            )
    return found


def _tree(root: int, processes: Mapping[tuple[int, int], Process]) -> set[int]:
    """The number of a process and those of all its descendants."""
    children: dict[int, list[int]] = {}
    for (number, _), each in processes.items():
        children.setdefault(each.parent, []).append(number)
    found, left = set[int](), [root]
    while left:
        number = left.pop()
        found.add(number)
        left += [each for each in children.get(number, []) if each not in found]
    return found
