"""The compilers that ``torch.compile`` needs on this machine. Imports no framework."""

from __future__ import annotations

import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from backends.job import Device


def why_no_compiler(device: Device) -> str | None:
    """Why ``torch.compile`` cannot work for ``device``, or None where it can.

    TorchInductor writes C++ for the CPU and Triton for CUDA; Triton's launcher is compiled as C.
    """
    if device == "cuda":
        if not find_spec("triton"):
            return "torch.compile needs Triton on CUDA, which is not installed"
        if not any(map(shutil.which, ("gcc", "clang"))):
            return "Triton needs a C compiler, and none was found: install gcc"
        if not (python_headers() / "Python.h").exists():
            return f"Triton needs Python's headers, and there are none in {python_headers()}: install python3-dev"
        return None
    if any(map(shutil.which, ("g++", "clang++", "c++"))):
        return None
    return "torch.compile needs a C++ compiler, and none was found: install g++"


def python_headers() -> Path:
    """The folder in which Triton's C compiler looks for ``Python.h``. Debian's own scheme would name another one."""
    scheme = sysconfig.get_default_scheme()
    return Path(sysconfig.get_path("include", "posix_prefix" if scheme == "posix_local" else scheme))
