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
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
#: Environment variable with the number of the file that is a worker's lifeline: the reading end of a pipe.
LIFELINE = "HARNESS_LIFELINE"

#: Byte offset of the control register inside glibc's ``fenv_t``, its flush bits, by processor.
#: x86-64: MXCSR at 28, flush-to-zero (bit 15) and denormals-are-zero (bit 6). AArch64: FPCR at 0,
#: flush-to-zero (bit 24).
_FENV = {"x86_64": (28, 0x8040), "AMD64": (28, 0x8040), "aarch64": (0, 1 << 24), "arm64": (0, 1 << 24)}


def die_with(lifeline: int) -> None:
    """Kill this process and its group as soon as the last process that holds the other end of a pipe has ended.

    On Linux the kernel does so, whatever this process computes: the pipe's owner is the group, the signal that it sends
    is SIGKILL. Not the parent-death signal, which comes when the *thread* that started this process ends, and which the
    children of this process do not get. Elsewhere a thread watches the pipe.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:  # it ended before
            os.killpg(0, signal.SIGKILL)
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


def pin(threads: int) -> list[int]:
    """Restrict this process to the first ``threads`` CPUs available to it; returns those in force."""
    cpus = available_cpus()[:threads]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    return available_cpus()


def flush_denormals(flush: bool) -> bool:
    """Flush denormal numbers to zero, or keep them, in this thread and all that it starts.

    Goes through C99 ``fegetenv`` and ``fesetenv``, which carry the control register of the
    vector unit: no compiler, no framework. Returns whether that worked; False on processors whose
    control register is not known here.
    """
    place = _FENV.get(platform.machine())
    if place is None or sys.platform == "win32":
        return False
    offset, bits = place
    libm = ctypes.CDLL(None if sys.platform == "darwin" else "libm.so.6")
    fenv = ctypes.create_string_buffer(64)
    if libm.fegetenv(fenv):
        return False
    register = ctypes.c_uint32.from_buffer(fenv, offset)
    register.value = register.value | bits if flush else register.value & ~bits
    return int(libm.fesetenv(fenv)) == 0


def resident_bytes() -> int | None:
    """Bytes resident in memory now; None where the kernel does not say."""
    return _status("VmRSS")


def peak_resident_bytes() -> int | None:
    """The kernel's high-water mark of resident bytes since the last ``reset_peak``; None where it does not say.

    Not ``ru_maxrss``: a child of a large parent starts with the parent's.
    """
    return _status("VmHWM")


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
