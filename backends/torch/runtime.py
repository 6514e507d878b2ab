"""Threads, precision and determinism of the process, put in force and read back."""

from __future__ import annotations

import torch
import torch.utils.deterministic

from backends import denormals
from backends.base import Job, Runtime


def start(job: Job) -> Runtime:
    torch.set_num_threads(job.threads)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    torch.use_deterministic_algorithms(job.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs a pass over every buffer
    if job.device == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.rnn.fp32_precision = "ieee"
        torch.backends.cuda.matmul.fp32_precision = "ieee"
    smallest, half = map(torch.from_numpy, denormals.operands())
    return Runtime(
        threads=torch.get_num_threads(),
        flushes_denormals=denormals.flushed((smallest * 0.5).numpy(), (smallest @ half).numpy()),
        versions=_versions(),
        device_name=torch.cuda.get_device_name() if job.device == "cuda" else None,
    )


def _versions() -> dict[str, str]:
    versions = {"torch": str(torch.__version__)}
    if torch.version.cuda:
        versions["cuda"] = torch.version.cuda
    if torch.cuda.is_available() and (cudnn := torch.backends.cudnn.version()):
        versions["cudnn"] = str(cudnn)
    return versions
