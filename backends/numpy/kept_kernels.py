"""Kernels that numba compiled once, kept in the user's cache for the next process: each takes about a second.

numba has a cache of its own, which is not used: its index lets two processes that write at once exchange their kernels,
and a damaged file or a full disk ends the caller's work. Here a kernel has a file of its own, whose name says all that
decides what is in it. Whatever is wrong with a file, or with the folder, the kernel is compiled instead.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import llvmlite
import numba
import numpy as np
import scipy
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from backends.numpy.kernels_folder import folder

_CHECKED = hashlib.sha256().digest_size


def keep(kernel: Any) -> Any:
    """``kernel``, a function of numba's that is compiled when it is first called: it is looked for in the cache then.

    It may use what its own file defines, numba's and NumPy's functions, but nothing of other files: a change of theirs
    would not be seen.
    """
    kernel._cache = _Kept(kernel.py_func)
    return kernel


class _Kept(NullCache):
    """What a dispatcher of numba's asks before it compiles, and tells when it has."""

    def __init__(self, function: Any) -> None:
        self._name = function.__name__
        self._source = Path(function.__code__.co_filename)

    @property
    def cache_path(self) -> str:
        """The folder, as numba's statistics show it."""
        return str(folder())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The kernel compiled for these types of arguments; None where there is none that can be used."""
        target_context.refresh()
        # a file that is damaged in a way that its digest hides cannot be; another numba may have another kind
        with suppress(Exception):
            file = self._file(sig, target_context.codegen())
            data = file.read_bytes() if file else b""
            if hashlib.sha256(data[_CHECKED:]).digest() == data[:_CHECKED]:
                return CompileResult._rebuild(target_context, *pickle.loads(data[_CHECKED:]))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel, whole or not at all."""
        if data.library.has_dynamic_globals or data.lifted:  # addresses of this process's, or parts that are not here
            return
        with suppress(Exception):  # read-only, full, or of a numba that says this differently: compiled again next time
            payload = dumps(data._reduce())
            file = self._file(sig, data.codegen)
            if file is None:
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as half:
                try:
                    half.write(hashlib.sha256(payload).digest() + payload)
                    half.close()
                    Path(half.name).replace(file)
                except BaseException:
                    Path(half.name).unlink(missing_ok=True)
                    raise

    def _file(self, sig: Any, codegen: Any) -> Path | None:
        """Named by the types, the source of the kernel's file, the processor and all versions that compile.

        None where nothing is kept.
        """
        kept = folder()
        versions = [each.__version__ for each in (numba, llvmlite, np, scipy)]
        parts = [
            self._name, str(sig), hashlib.sha256(self._source.read_bytes()).hexdigest(),
            *map(str, codegen.magic_tuple()), *versions, sys.version, platform.machine(),
        ]  # fmt: skip
        return kept and kept / f"{self._name}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
