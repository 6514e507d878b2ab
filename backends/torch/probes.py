"""The limits of the device as PyTorch reaches them: a large product, a large copy, many small steps."""

from __future__ import annotations

from collections.abc import Callable

import torch

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, STEP_SIDE, STEPS, Probe, Probes
from backends.job import Job
from backends.torch.runtime import side_stream


def probes(job: Job) -> Probes:
    """The work that measures the limits of the job's device."""
    dtype, side = getattr(torch, job.layer_dtype), PRODUCT_SIDE[job.device]
    a = torch.ones(side, side, dtype=dtype, device=job.device)
    out = torch.empty_like(a)
    source = torch.ones(COPY_BYTES // dtype.itemsize, dtype=dtype, device=job.device)
    target = torch.empty_like(source)

    def product() -> None:
        torch.mm(a, a, out=out)
        synchronize()

    def copy() -> None:
        target.copy_(source)
        synchronize()

    def synchronize() -> None:
        if job.device == "cuda":
            torch.cuda.synchronize()

    run = _chain(job, dtype)

    def chain() -> None:
        run()
        synchronize()

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(copy, 2 * COPY_BYTES), Probe(chain, STEPS))


def _chain(job: Job, dtype: torch.dtype) -> Callable[[], None]:
    """Dependent products: a Python loop, on CUDA captured in a graph, where kernels follow each other fastest."""
    unit = torch.eye(STEP_SIDE, dtype=dtype, device=job.device)
    state, other = torch.ones_like(unit), torch.empty_like(unit)

    def loop() -> None:
        mm = torch.mm
        with torch.inference_mode():
            for _ in range(STEPS // 2):
                mm(state, unit, out=other)
                mm(other, unit, out=state)

    if job.device == "cpu":
        return loop
    # a first call creates cuBLAS's handle and workspace, which no graph may capture
    aside = side_stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        loop()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=aside):
        loop()

    def replay() -> None:
        graph.replay()

    return replay
