"""The limits of the device as NumPy, or CuPy, reaches them: a large product, a large copy, many small steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, STEP_SIDE, STEPS, Probe, Probes
from backends.job import Job
from backends.numpy.runtime import array_module


def probes(job: Job) -> Probes:
    """The work that measures the limits of the job's device."""
    xp = array_module(job.device)
    side = PRODUCT_SIDE[job.device]
    a, out = xp.ones((side, side), job.dtype), xp.empty((side, side), job.dtype)
    source = xp.ones(COPY_BYTES // a.itemsize, job.dtype)
    target = xp.empty_like(source)
    unit, state = xp.eye(STEP_SIDE, dtype=job.precision), xp.ones((STEP_SIDE, STEP_SIDE), job.precision)
    other = xp.empty_like(state)

    def product() -> None:
        xp.matmul(a, a, out=out)
        synchronize()

    def copy() -> None:
        if xp is np:
            copy_in_threads()
        else:
            xp.copyto(target, source)
        synchronize()

    def copy_in_threads() -> None:
        """NumPy copies in one thread, and releases the interpreter's lock meanwhile."""
        parts = zip(np.array_split(target, job.threads), np.array_split(source, job.threads), strict=True)
        with ThreadPoolExecutor(job.threads) as pool:
            for done in [pool.submit(np.copyto, into, part) for into, part in parts]:
                done.result()

    def chain() -> None:
        """``dot`` and not ``matmul``: of two matrices it is the same product, and starts sooner."""
        dot = xp.dot
        for _ in range(STEPS // 2):
            dot(state, unit, other)
            dot(other, unit, state)
        synchronize()

    def synchronize() -> None:
        if xp is not np:
            xp.cuda.get_current_stream().synchronize()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(copy, 2 * COPY_BYTES), Probe(chain, STEPS))
