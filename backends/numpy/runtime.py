"""The array module of a device; BLAS threads and CuPy's product precision, put in force and read back."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import numpy as np
import threadpoolctl

from backends import denormals
from backends.base import Runtime, Unsupported
from backends.job import Job

#: As ``cupy._core._routines_linalg`` has it. cuBLAS then gets ``CUBLAS_COMPUTE_32F``: no TF32.
COMPUTE_TYPE_DEFAULT = 1


def array_module(device: str) -> ModuleType:
    """``numpy``, or for CUDA ``cupy``, which has the same interface."""
    if device == "cpu":
        return np
    import cupy

    module: ModuleType = cupy
    return module


def start(job: Job) -> Runtime:
    """Set the number of BLAS threads and, on CUDA, IEEE products; read back what is in force."""
    threadpoolctl.threadpool_limits(limits=job.threads, user_api="blas")
    if job.device == "cuda":
        _ieee_products()
    smallest, half = denormals.operands()
    return Runtime(
        threads=blas_threads(),
        flushes_denormals=denormals.flushed(smallest * np.float32(0.5), smallest @ half),
        versions={**versions(), **(cupy_versions() if job.device == "cuda" else {})},
        device_name=_gpu_name() if job.device == "cuda" else None,
    )


def _ieee_products() -> None:
    """float32 products on CUDA are computed in float32, whatever the environment variable CUPY_TF32 says.

    Raises:
        Unsupported: CuPy reports that something else is in force.
    """
    from cupy import _core  # CuPy has no public name for either

    _core.set_compute_type("float32", COMPUTE_TYPE_DEFAULT)
    if (found := _core.get_compute_type("float32")) != COMPUTE_TYPE_DEFAULT:
        raise Unsupported(f"CuPy computes float32 products as its type {found}, not as IEEE float32")


def blas_pools() -> list[dict[str, Any]]:
    """The BLAS libraries loaded in this process, NumPy's own first."""
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return sorted(pools, key=lambda pool: "numpy" not in pool["filepath"])


def blas_threads() -> int:
    """Threads of NumPy's BLAS, read back.

    Accelerate, macOS's own BLAS, is neither seen by threadpoolctl nor tells their number: there it is the setting that
    it is started with, not a reading.
    """
    if pools := blas_pools():
        return max(int(pool["num_threads"]) for pool in pools)
    return int(os.environ.get("VECLIB_MAXIMUM_THREADS") or os.cpu_count() or 1) if sys.platform == "darwin" else 1


def blas_name() -> str:
    """NumPy's BLAS and the kernel it chose for this processor, such as ``openblas SkylakeX``."""
    if pools := blas_pools():
        return f"{pools[0]['internal_api']} {pools[0].get('architecture', '')}".strip()
    return "accelerate" if sys.platform == "darwin" else "BLAS unknown"


def _gpu_name() -> str:
    import cupy

    name: bytes = cupy.cuda.runtime.getDeviceProperties(0)["name"]
    return name.decode()


def versions() -> dict[str, str]:
    """Of NumPy and of its BLAS."""
    return {"numpy": np.__version__, "blas": blas_name()}


def cupy_versions() -> dict[str, str]:
    """Of CuPy and of the CUDA runtime that it loads; empty where it is not installed or cannot load one."""
    try:
        import cupy

        return {"cupy": cupy.__version__, "cuda": str(cupy.cuda.runtime.runtimeGetVersion())}
    except (ImportError, RuntimeError):
        return {}
