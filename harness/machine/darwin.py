"""What macOS says of a process and its processor, where Linux has ``/proc``. Standard library only.

Not run on a Mac yet: structures and units are those of Apple's headers and manual pages, and the tests simulate them.
"""

from __future__ import annotations

import ctypes
import subprocess
from typing import Any

#: Of ``task_info`` in ``<mach/task_info.h>``.
MACH_TASK_BASIC_INFO = 20


class TaskBasicInfo(ctypes.Structure):
    """``struct mach_task_basic_info``: sizes in bytes, times in seconds and microseconds."""

    _fields_ = [
        ("virtual_size", ctypes.c_uint64),
        ("resident_size", ctypes.c_uint64),
        ("resident_size_max", ctypes.c_uint64),
        ("user_time", ctypes.c_int32 * 2),
        ("system_time", ctypes.c_int32 * 2),
        ("policy", ctypes.c_int32),
        ("suspend_count", ctypes.c_int32),
    ]


def resident_bytes(system: Any = None) -> int | None:
    """Bytes of this process that are resident in memory now; None where the kernel does not say.

    Args:
        system: stands in for the C library, with ``task_info`` and the port ``mach_task_self_``; None for that itself.
    """
    library = ctypes.CDLL(None) if system is None else system
    port = ctypes.c_uint32.in_dll(library, "mach_task_self_") if system is None else system.mach_task_self_
    info = TaskBasicInfo()
    words = ctypes.c_uint32(ctypes.sizeof(info) // ctypes.sizeof(ctypes.c_int32))
    failed = library.task_info(port, MACH_TASK_BASIC_INFO, ctypes.byref(info), ctypes.byref(words))
    return None if failed else int(info.resident_size)


def peak_resident_bytes() -> int | None:
    """The most bytes that were resident since this process began: macOS counts ``ru_maxrss`` in bytes, not in KiB."""
    import resource  # Windows has none

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def processor(command: str = "/usr/sbin/sysctl") -> str | None:
    """The processor's name, such as "Apple M2"; None where the command says nothing."""
    words = [command, "-n", "machdep.cpu.brand_string"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
