"""Limits of the control groups that this process is in, versions 1 and 2. Standard library only.

Groups are nested, and every one of them limits: what counts is the tightest from the process's own group up to the
root that it sees.
"""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

PROC = Path("/proc/self")

#: A quota this close below a whole number of CPUs is taken for it: one thread of 1.9 CPUs would leave half unused, and
#: the second is stopped for a twentieth of its time only.
ALMOST = 0.1
#: Version 1 writes "no limit" as the largest multiple of a page: no machine has as many bytes.
NO_MACHINE_HAS = 2**62


class Group(NamedTuple):
    """A folder of a control group, and which hierarchy it belongs to: ``unified`` is version 2."""

    folder: Path
    controllers: frozenset[str]


UNIFIED = frozenset({"unified"})


def groups(proc: Path = PROC) -> list[Group]:
    """The groups that this process is in, each followed by its ancestors; empty where the kernel has none.

    Args:
        proc: holds ``cgroup`` and ``mountinfo`` as the kernel writes them.
    """
    own = dict(map(_membership, _lines(proc / "cgroup")))
    found: list[Group] = []
    for line in _lines(proc / "mountinfo"):
        mount = _mount(line)
        if mount is None:
            continue
        place, root, controllers = mount
        path = next((path for names, path in own.items() if names & controllers), None)
        if path is not None:
            found += [Group(folder, controllers) for folder in _upwards(place, root, path)]
    return found


def _membership(line: str) -> tuple[frozenset[str], str]:
    """``4:cpu,cpuacct:/path``; version 2 names no controller."""
    _, names, path = line.split(":", 2)
    return frozenset(names.split(",")) if names else UNIFIED, path


def _mount(line: str) -> tuple[Path, str, frozenset[str]] | None:
    """Where a hierarchy is mounted, which of its groups is shown there, and its controllers; None for other mounts."""
    before, _, after = line.partition(" - ")
    kind, *rest = after.split(" ")
    if kind not in ("cgroup", "cgroup2"):
        return None
    _, _, _, root, place, *_ = before.split(" ")
    controllers = UNIFIED if kind == "cgroup2" else frozenset(rest[-1].split(","))
    return Path(_unescaped(place)), _unescaped(root), controllers


def _unescaped(text: str) -> str:
    """A path of ``mountinfo``, in which spaces and the like are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _upwards(place: Path, root: str, path: str) -> list[Path]:
    """The folders of a group and of its ancestors. A container may be shown no more than its own group."""
    inside = PurePosixPath(path)
    below = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath()
    if ".." in below.parts:  # in a group beside the root that is shown
        below = PurePosixPath()
    return [place / each for each in (below, *below.parents) if (place / each).is_dir()]


def cpu_quota(found: list[Group] | None = None) -> float | None:
    """CPUs' worth of time that this process and the rest of its group may use; None for no limit.

    Args:
        found: as ``groups`` gives them; None for this process's.
    """
    tightest = _tightest_quota(_these(found))
    return None if tightest is None else tightest.cpus


class _Quota(NamedTuple):
    """CPUs' worth of time, and as the kernel keeps it: microseconds of CPU time in each period of so many."""

    cpus: float
    time_us: int
    period_us: int


def _tightest_quota(these: list[Group]) -> _Quota | None:
    return min(filter(None, map(_quota, these)), default=None)


def _quota(group: Group) -> _Quota | None:
    if group.controllers == UNIFIED:
        words = _text(group.folder / "cpu.max").split()
    else:
        words = [_text(group.folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    # "max", and -1 in version 1, stand for no limit
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):
        return None
    time_us, period_us = map(int, words)
    return _Quota(time_us / period_us, time_us, period_us)


def threads_within(quota: float) -> int:
    """Threads that a quota of so many CPUs lets compute without stopping them (much), at least one."""
    return max(1, math.floor(quota + ALMOST))


def memory_limit(found: list[Group] | None = None) -> int | None:
    """Bytes of memory that the groups may use; None for no limit."""
    texts = [_text(group.folder / name) for group in _these(found) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((int(text) for text in texts if text.isdecimal() and int(text) < NO_MACHINE_HAS), default=None)


def throttled(found: list[Group] | None = None) -> int | None:
    """How often one of the groups has used up its quota and was stopped; None where no group counts it."""
    lines = (line for group in _these(found) for line in _lines(group.folder / "cpu.stat"))
    counts = [int(line.split()[1]) for line in lines if line.startswith("nr_throttled ")]
    return sum(counts) if counts else None


def limits(found: list[Group] | None = None) -> dict[str, str]:
    """The tightest limits of all groups, by the names that version 2 gives its files, and written as it writes them."""
    these = _these(found)
    quota, memory = _tightest_quota(these), memory_limit(these)
    cpus = (_text(group.folder / name) for group in these for name in ("cpuset.cpus.effective", "cpuset.cpus"))
    named = {
        "cpu.max": f"{quota.time_us} {quota.period_us}" if quota else None,
        "cpuset.cpus.effective": next(filter(None, cpus), None),
        "memory.max": None if memory is None else str(memory),
    }
    return {name: value for name, value in named.items() if value}


def _these(found: list[Group] | None) -> list[Group]:
    return groups() if found is None else found


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
