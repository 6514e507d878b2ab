"""The limits of the device as PyTorch reaches them: a large product and a large copy."""

from __future__ import annotations

import torch

from backends.base import COPY_BYTES, PRODUCT_FLOPS, PRODUCT_SIDE, Job, Probe, Probes


def probes(job: Job) -> Probes:
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

    return Probes(Probe(product, PRODUCT_FLOPS[job.device]), Probe(copy, 2 * COPY_BYTES))
