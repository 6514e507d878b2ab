"""The processes that measure, as tests see them from outside."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import psutil


def workers_of(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that measure, among processes that may end any moment (one that has ended and waits for its parent too)."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if "harness.worker" in process.cmdline():
                found.append(process)
    return found


def workers_below(parent: int) -> list[psutil.Process]:
    """Those that a process has started, or that what it started has; none if it has ended."""
    with suppress(psutil.NoSuchProcess):
        return workers_of(psutil.Process(parent).children(recursive=True))
    return []


def started_here() -> list[psutil.Process]:
    """What this process has started and still runs, and what that has; but for what ``tests.forked`` keeps."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if not any("from multiprocessing" in word for word in process.cmdline()):
                found.append(process)
    return found
