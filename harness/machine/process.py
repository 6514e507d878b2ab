"""CPUs, floating-point mode and memory of this process, and whom it dies with. Standard library only.

The worker sets CPUs and mode before it imports NumPy or a framework, so that every thread they start inherits them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.machine import darwin

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
#: Environment variable with the number of the file that is a worker's lifeline: the reading end of a pipe.
LIFELINE = "HARNESS_LIFELINE"

#: Byte offset of the vector unit's control register inside ``fenv_t``, and its flush bits, by system and processor.
#: x86-64: MXCSR, flush-to-zero (bit 15) and denormals-are-zero (bit 6); before it glibc has the 28 bytes of the x87,
#: macOS its control and status words. AArch64: FPCR, flush-to-zero (bit 24); macOS has FPSR's 8 bytes before it.
_FENV = {
    ("linux", "x86_64"): (28, 0x8040),
    ("linux", "aarch64"): (0, 1 << 24),
    ("darwin", "x86_64"): (4, 0x8040),
    ("darwin", "arm64"): (8, 1 << 24),
}


def die_with(lifeline: int, group: int | None = None) -> None:
    """Kill a group of processes as soon as the last process that holds the other end of a pipe has ended.

    Args:
        lifeline: a file descriptor of the pipe's end for reading.
        group: on Linux, of a child that holds that end too; None for this process and its group.

    On Linux the kernel does so, whatever this process computes: the pipe's owner is the group, the signal that it sends
    is SIGKILL. Not the parent-death signal, which comes when the *thread* that started this process ends, and which the
    children of this process do not get. Elsewhere a thread watches the pipe.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -(group or os.getpgrp()))
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:  # it ended before
            os.killpg(group or 0, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def available_cpus() -> list[int]:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pin(cpus: Sequence[int]) -> list[int]:
    """Restrict this process to these CPUs, where the system can; returns those in force."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    return available_cpus()


def flush_denormals(
    flush: bool, system: str = sys.platform, processor: str = platform.machine(), libm: Any = None
) -> bool:
    """Flush denormal numbers to zero, or keep them, in this thread and all that it starts.

    Goes through C99 ``fegetenv`` and ``fesetenv``, which carry the control register of the
    vector unit: no compiler, no framework. Returns whether that worked; False on systems and processors
    whose control register is not known here.

    Args:
        flush: whether to flush them.
        system: as ``sys.platform`` has it; processor: as ``platform.machine`` does.
        libm: the library with the two functions; None for the system's.
    """
    place = _FENV.get((system, processor))
    if place is None:
        return False
    offset, bits = place
    if libm is None:
        libm = ctypes.CDLL(None if system == "darwin" else "libm.so.6")
    fenv = ctypes.create_string_buffer(64)
    if libm.fegetenv(fenv):
        return False
    register = ctypes.c_uint32.from_buffer(fenv, offset)
    register.value = register.value | bits if flush else register.value & ~bits
    return int(libm.fesetenv(fenv)) == 0


def resident_bytes() -> int | None:
    """Bytes resident in memory now; None where the kernel does not say."""
    return darwin.resident_bytes() if sys.platform == "darwin" else _status("VmRSS")


def peak_resident_bytes() -> int | None:
    """The kernel's high-water mark of resident bytes since the last ``reset_peak``; None where it does not say.

    Not ``ru_maxrss`` on Linux: a child of a large parent starts with the parent's there.
    """
    return darwin.peak_resident_bytes() if sys.platform == "darwin" else _status("VmHWM")


def reset_peak() -> None:
    """Set the high-water mark to what is resident now, where the kernel allows it."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError:
        return  # then the mark covers what came before as well: it may be too high, never too low


def _status(field: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None
