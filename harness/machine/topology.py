"""Which CPUs a worker gets: distinct physical cores of one kind, idle ones first. Standard library only.

The parent chooses, once for all workers that are to be compared, and says why in the record.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from harness.machine.process import available_cpus

DEVICES = Path("/sys/devices")
PROC = Path("/proc")

#: A number, or two; no kernel has CPUs with numbers of more than five digits.
RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
#: Seconds of the look at what the CPUs do: a few of the kernel's ticks of 10 ms.
LOOK_S = 0.05
#: A CPU that does something in more than this share of the look is busy.
BUSY = 0.25


class Chosen(NamedTuple):
    """CPUs for a worker, the first ones to be used first, and why these, in a clause for people."""

    cpus: list[int]
    why: str


class Core(NamedTuple):
    """A physical core: its kind (faster ones have a higher number), its package, and those of its CPUs to be used."""

    speed: int
    package: str
    cpus: list[int]
    busy: bool = False


def parse_cpus(text: str) -> list[int]:
    """The numbers of a list such as ``0,4-7``, which is how the kernel writes one.

    Raises:
        ValueError: it is no such list.
    """
    found: list[int] = []
    for part in text.split(","):
        ends = RANGE.fullmatch(part.strip())
        cpus = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else range(0)
        if not cpus:
            raise ValueError(f"no list of CPUs: {text!r}")
        found += cpus
    return sorted(set(found))


class Choice:
    """The CPUs of all workers that are to be compared: what the CPUs do is looked at once, for the first worker."""

    def __init__(self, named: Sequence[int] | None = None) -> None:
        """``named``: those that the user named; None for all that this process may use."""
        self.named = named

    def of(self, threads: int) -> Chosen:
        """The CPUs of a worker with so many threads: always the same for the same number."""
        if not hasattr(os, "sched_setaffinity"):
            return Chosen(available_cpus(), "this system ties no process to CPUs")
        if len(self._allowed) <= threads:
            return Chosen(self._allowed, "all that may be used" if self.named is None else "named by --cpus")
        chosen = among(self._cores, threads)
        return chosen if self.named is None else chosen._replace(why=f"of those named by --cpus: {chosen.why}")

    def again(self) -> None:
        """Look again at what the CPUs do, for the next worker. Not between workers that are to be compared."""
        vars(self).pop("_cores", None)

    @cached_property
    def _allowed(self) -> list[int]:
        return available_cpus() if self.named is None else sorted(self.named)

    @cached_property
    def _cores(self) -> list[Core]:
        return cores(self._allowed, busy_cpus() | workers_cpus())


def among(found: Sequence[Core], threads: int) -> Chosen:
    """The best CPUs for so many threads among these cores.

    Cores of one package and one kind come first, the fastest kind before others; then cores of one kind. Only where
    there are too few of them do two threads share a core, and only then are kinds mixed.
    """
    packages = {(core.speed, core.package) for core in found}
    kinds = {core.speed for core in found}
    pools = [
        *([core for core in found if (core.speed, core.package) == pool] for pool in packages),
        *([core for core in found if core.speed == kind] for kind in kinds),
        list(found),
    ]
    best = min(pools, key=lambda pool: _cost(pool, threads))
    ordered = sorted(best, key=lambda core: (core.busy, core.cpus[0]))
    # the first CPU of each core, then the second of each
    in_turns = [cpu for row in zip_longest(*(core.cpus for core in ordered)) for cpu in row if cpu is not None]
    return Chosen(in_turns[:threads], _why(ordered, threads, several=len(kinds) > 1))


def _cost(pool: Sequence[Core], threads: int) -> tuple[int, ...]:
    """What is worse about a pool, the worst first: too few CPUs, mixed kinds, shared cores, slow ones, busy ones."""
    speeds = {core.speed for core in pool}
    return (
        max(0, threads - sum(len(core.cpus) for core in pool)),
        max(0, threads - len(pool)) if len(speeds) == 1 else threads,
        -min(speeds),
        max(0, threads - sum(not core.busy for core in pool)),
        len({core.package for core in pool}),
        min(core.cpus[0] for core in pool),
    )


def _why(ordered: Sequence[Core], threads: int, several: bool) -> str:
    taken = ordered[:threads]
    words = ["distinct cores" if len(ordered) >= threads else "cores that threads share"]
    if several:
        words.append("of one kind" if len({core.speed for core in taken}) == 1 else "of several kinds")
    busy = sum(core.busy for core in taken)
    return " ".join(words) + (f", {busy} of them busy: none was idle" if busy else ", idle when chosen")


def cores(allowed: Sequence[int], busy: Collection[int], devices: Path = DEVICES) -> list[Core]:
    """The physical cores that these CPUs belong to; a CPU of which the kernel says nothing is a core of its own.

    Args:
        busy: CPUs that others use, beyond the allowed ones too: one of them makes its whole core busy.
    """
    found: dict[tuple[int, ...], Core] = {}
    for cpu in sorted(allowed):
        topology = devices / f"system/cpu/cpu{cpu}/topology"
        siblings = tuple(_listed(topology / "thread_siblings_list")) or (cpu,)
        package = _text(topology / "physical_package_id")
        core = found.setdefault(siblings, Core(_speed(cpu, devices), package, [], not set(busy).isdisjoint(siblings)))
        core.cpus.append(cpu)
    return list(found.values())


def _speed(cpu: int, devices: Path) -> int:
    """Higher for faster kinds of core: Intel's two kinds, or the capacity that the kernel gives each CPU elsewhere."""
    for speed, kind in ((2, "cpu_core"), (1, "cpu_atom")):
        if cpu in _listed(devices / kind / "cpus"):
            return speed
    capacity = _text(devices / f"system/cpu/cpu{cpu}/cpu_capacity")
    return int(capacity) if capacity.isdecimal() else 0


def busy_cpus(stat: Path = PROC / "stat", wait: Callable[[float], None] = time.sleep) -> set[int]:
    """CPUs that do something now, found by looking twice."""
    before = _spent(stat)
    wait(LOOK_S)
    return {cpu for cpu, (busy, total) in _spent(stat).items() if cpu in before and _share(before[cpu], busy, total)}


def _share(before: tuple[int, int], busy: int, total: int) -> bool:
    return busy - before[0] > BUSY * max(1, total - before[1])


def _spent(stat: Path) -> dict[int, tuple[int, int]]:
    """By CPU, the ticks in which it was busy, and all ticks."""
    rows = {words[0]: list(map(int, words[1:])) for line in _text(stat).splitlines() if (words := line.split())[1:]
            if words[0].startswith("cpu") and words[0] != "cpu"}  # fmt: skip
    # user, nice, system, idle, iowait, …
    return {int(name[3:]): (sum(row) - sum(row[3:5]), sum(row)) for name, row in rows.items()}


def workers_cpus(proc: Path = PROC) -> set[int]:
    """CPUs that other workers of this project are tied to, whatever they do at the moment."""
    found: set[int] = set()
    for folder in proc.glob("[0-9]*"):
        if b"\0harness.worker\0" in _bytes(folder / "cmdline"):
            tied = _tied(_text(folder / "status").splitlines())
            found |= tied if len(tied) < len(available_cpus()) else set()  # those that only tell what there is are not
    return found


def _tied(status: Iterable[str]) -> set[int]:
    lists = (line.split(":", 1)[1] for line in status if line.startswith("Cpus_allowed_list:"))
    return {cpu for text in lists for cpu in parse_cpus(text)}


def _listed(path: Path) -> list[int]:
    text = _text(path)
    return parse_cpus(text) if text else []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace").strip()
