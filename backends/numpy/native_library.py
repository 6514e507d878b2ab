"""The shared library of ``native_kernels.c``, compiled for this processor by the system's C compiler, once.

It is kept in the user's cache under a digest of its source, of the compiler's version and of what the compiler knows of
the processor: another processor, or another compiler, gets a library of its own.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from backends.base import Unsupported
from backends.numpy.kernels_folder import folder

SOURCE = Path(__file__).with_name("native_kernels.c")
COMPILERS = ("gcc", "clang", "cc")
#: Not ``-ffast-math``: nan and infinity stay what they are, so that a run that diverges says so.
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")


def compiler() -> str | None:
    """The C compiler that is used; None where none is installed."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def why_no_compiler() -> str | None:
    """Why nothing can be compiled here, or None where it can."""
    return None if compiler() else "its kernels are compiled here, and no C compiler was found: install gcc"


@cache
def library() -> ctypes.CDLL:
    """The library, loaded; compiled first where it is not kept.

    Raises:
        Unsupported: there is no compiler, or it does not compile the kernels; says what it printed first.
    """
    found = compiler()
    if found is None:
        raise Unsupported(why_no_compiler())
    name = f"{_digest(found)}.so"
    with _folder() as place:
        kept = place / name
        if not kept.exists():
            beside = place / f"{os.getpid()}-{name}"
            _run(found, *FLAGS, "-shared", "-fPIC", "-o", str(beside), str(SOURCE))
            beside.replace(kept)  # others may do the same now: each file is whole
        return _declared(ctypes.CDLL(str(kept)))


def described() -> str:
    """The compiler and its version, and how many float32 numbers a vector of the processor holds."""
    found = compiler()
    name, version = (Path(found).name, _run(found, "-dumpfullversion", "-dumpversion").strip()) if found else ("", "")
    return f"{name} {version}, {library().lanes()} lanes"


def _digest(found: str) -> str:
    """Of all that decides what the compiler makes of the source. ``-dM`` prints what it knows of the processor."""
    known = _run(found, *FLAGS, "-dM", "-E", "-x", "c", os.devnull)
    return hashlib.sha256("\0".join([known, *FLAGS, SOURCE.read_text()]).encode()).hexdigest()[:32]


@contextmanager
def _folder() -> Iterator[Path]:
    """Where libraries are kept; one that is gone afterwards where nothing may or can be kept."""
    kept = folder()
    try:
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=kept):  # whether it can be written to
                pass
    except OSError:
        kept = None
    if kept is not None:
        yield kept
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary)


def _run(*words: str) -> str:
    """What a call of the compiler prints.

    Raises:
        Unsupported: it fails.
    """
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[0]
        raise Unsupported(f"{Path(words[0]).name} does not compile the kernels: {said}")
    return done.stdout


def _declared(loaded: ctypes.CDLL) -> ctypes.CDLL:
    """With the types of the arguments: sizes first, for a forward pass whether it starts from zero, then addresses."""
    size, address = ctypes.c_long, ctypes.c_void_p
    loaded.packed_size.restype = size
    loaded.packed_size.argtypes = [size] * 3
    loaded.pack.restype = None
    loaded.pack.argtypes = [address, *[size] * 5, address]
    sizes = [size] * 3
    for cell, forward, backward in (("rnn", 3, 4), ("lstm", 5, 6), ("gru", 5, 7), ("gru_reset_before", 5, 6)):
        getattr(loaded, f"{cell}_forward").argtypes = [*sizes, ctypes.c_int, *[address] * forward]
        getattr(loaded, f"{cell}_backward").argtypes = [*sizes, *[address] * backward]
    return loaded
