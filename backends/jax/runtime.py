"""Threads, precision and determinism of the process, put in force and read back."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from backends.base import Job, Runtime


def start(job: Job) -> Runtime:
    # For all jobs: with it on, a dtype is that of the arrays handed in; with it off, float64 becomes float32 silently.
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")  # IEEE float32 products, no TF32
    device = jax.devices(job.device)[0]
    smallest_normal = jax.device_put(np.finfo(np.float32).tiny, device)
    halved = jax.jit(lambda x: x * 0.5)(smallest_normal)  # also brings the device's threads to life
    return Runtime(
        threads=_threads(),
        flushes_denormals=float(halved) == 0,
        versions=_versions(job),
    )


def _threads() -> int:
    """XLA's CPU workers, counted among the process's threads by their name; 0 where there is no /proc.

    JAX has no setting for them: the pool takes its size from the environment (PJRT_NPROC or
    NPROC, else the number of processors) when the CPU device is made, and nothing reads it back.
    """
    names = (task / "comm" for task in Path("/proc/self/task").glob("*"))
    return sum("XLAEigen" in name.read_text() for name in names)


def _versions(job: Job) -> dict[str, str]:
    import jaxlib

    versions = {"jax": str(jax.__version__), "jaxlib": str(jaxlib.__version__)}
    if job.device == "cuda":
        # "PJRT C API\ncuda 12090": the platform's own word for what it was built for and runs on
        versions["cuda"] = jax.devices("cuda")[0].client.platform_version.split()[-1]
    return versions
