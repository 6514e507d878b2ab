"""Threads, precision and determinism of the process, put in force and read back."""

from __future__ import annotations

import os
from pathlib import Path

import jax

from backends import denormals
from backends.base import Runtime, Unsupported
from backends.job import Job


def start(job: Job) -> Runtime:
    """Put the job's precision in force, start the CPU's threads, and read back what is in force.

    Raises:
        Unsupported: JAX does not take the precision.
    """
    # For all jobs: with it on, a dtype is that of the arrays handed in; with it off, float64 becomes float32 silently.
    jax.config.update("jax_enable_x64", True)
    _float32_products("tensorfloat32" if job.precision == "tf32" else "highest")
    device, cpu = jax.devices(job.device)[0], jax.devices("cpu")[0]
    # The policy is the CPU's, whatever device trains: XLA's kernels for a GPU keep denormals and have no mode to set.
    smallest, half = (jax.device_put(each, cpu) for each in denormals.operands())
    halves = jax.device_get(
        jax.jit(lambda x, half: (x * 0.5, x @ half))(smallest, half)
    )  # also brings the CPU's threads to life
    return Runtime(
        threads=_threads(),
        flushes_denormals=denormals.flushed(*halves),
        versions=_versions(job),
        device_name=device.device_kind if job.device == "cuda" else None,
    )


def _float32_products(mode: str) -> None:
    """``highest`` is IEEE float32. JAX's default on CUDA is TF32.

    Raises:
        Unsupported: JAX reports that something else is in force.
    """
    jax.config.update("jax_default_matmul_precision", mode)
    if (found := jax.config.jax_default_matmul_precision) != mode:
        raise Unsupported(f"JAX computes float32 products as {found}, not as {mode}")


def _threads() -> int:
    """XLA's CPU workers, counted among the process's threads by their name.

    JAX neither sets nor reports their number: the pool takes its size from the environment when the CPU device is made.
    Where threads cannot be counted (no /proc) this is that setting, not a reading.
    """
    counted = sum("XLAEigen" in _thread_name(task) for task in Path("/proc/self/task").glob("*"))
    return counted or int(os.environ.get("PJRT_NPROC") or os.environ.get("NPROC") or os.cpu_count() or 1)


def _thread_name(task: Path) -> str:
    try:
        return (task / "comm").read_text()
    except OSError:  # the thread has ended since
        return ""


def _versions(job: Job) -> dict[str, str]:
    import jaxlib

    versions = {"jax": str(jax.__version__), "jaxlib": str(jaxlib.__version__)}
    if job.device == "cuda":
        # "PJRT C API\ncuda 12090": the version that the platform was built for and runs on, as it reports it
        versions["cuda"] = jax.devices("cuda")[0].client.platform_version.split()[-1]
    return versions
