"""Keep freed memory in the process, where the C library allows it.

glibc maps every large block anew and returns it to the kernel when it is freed, so that a training step that
allocates its activations pays a page fault for every 4 KiB, every time. For a recurrent network of ordinary size that
is up to two thirds of a step. The tuned variants keep freed memory; the stock ones are left as a user finds them.
"""

from __future__ import annotations

import ctypes
import platform
import sys

# <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
#: Twice the largest size up to which glibc may take a block from the heap rather than map it alone.
_LARGE = 64 * 2**20


def why_not() -> str | None:
    """Why freed memory cannot be kept here, or None where it can."""
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        return None
    return "only glibc's allocator can be told to keep freed memory"


def keep_freed_memory() -> bool:
    """From now on take every block from the heap, and never trim it. Returns whether that is in force."""
    if why_not():
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, -1))


def share_one_heap() -> bool:
    """From now on let threads that begin take their blocks from the process's heap. Returns whether that is in force.

    Otherwise glibc gives each thread an arena of pieces of 64 MiB, and a piece that is free goes back to the kernel
    whatever was said of trimming.
    """
    return why_not() is None and bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1))


def keeps_freed_memory() -> bool:
    """Whether freed memory is kept, found by trying: freeing a large block does not shrink the heap."""
    if why_not():
        return False
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_size_t
    libc.malloc.argtypes, libc.free.argtypes, libc.sbrk.argtypes = (
        [ctypes.c_size_t],
        [ctypes.c_size_t],
        [ctypes.c_ssize_t],
    )
    block = libc.malloc(_LARGE)
    end = libc.sbrk(0)
    libc.free(block)
    return bool(0 < block < end == libc.sbrk(0))
