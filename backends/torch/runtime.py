"""Threads, precision and determinism of the process, put in force and read back."""

from __future__ import annotations

import os
import sys
from functools import cache

import torch
import torch.utils.deterministic

from backends import denormals
from backends.base import Runtime, Unsupported
from backends.job import Job


def start(job: Job) -> Runtime:
    """Put threads, precision and determinism in force, and read back what is."""
    torch.set_num_threads(job.threads)
    if torch.get_num_interop_threads() != 1:
        torch.set_num_interop_threads(1)
    _deterministic(job.deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs a pass over every buffer
    torch.backends.cudnn.benchmark = False
    _float32_products("tf32" if job.precision == "tf32" else "ieee")
    smallest, half = map(torch.from_numpy, denormals.operands())
    return Runtime(
        threads=torch.get_num_threads(),
        flushes_denormals=denormals.flushed((smallest * 0.5).numpy(), (smallest @ half).numpy()),
        versions={**versions(), **(cudnn_version() if torch.cuda.is_available() else {})},
        device_name=torch.cuda.get_device_name() if job.device == "cuda" else None,
    )


def _deterministic(wanted: bool) -> None:
    """What ``torch.use_deterministic_algorithms`` does, without importing Inductor, which takes seconds.

    Inductor reads the variable when something imports it, as the variant ``compiled`` does.
    """
    torch.set_deterministic_debug_mode("error" if wanted else "default")
    os.environ["TORCHINDUCTOR_DETERMINISTIC"] = str(int(wanted))
    if inductor := sys.modules.get("torch._inductor.config"):
        inductor.deterministic = wanted  # type: ignore[attr-defined]


def _float32_products(mode: str) -> None:
    """``ieee`` or ``tf32`` on CUDA, cuDNN's recurrences included, which take TF32 unasked. On the CPU always ``ieee``.

    Raises:
        Unsupported: PyTorch reports that something else is in force.
    """
    on_cuda = torch.backends.cudnn.rnn, torch.backends.cudnn.conv, torch.backends.cuda.matmul
    on_cpu = torch.backends.mkldnn.rnn, torch.backends.mkldnn.conv, torch.backends.mkldnn.matmul
    for settings, wanted in ((on_cuda, mode), (on_cpu, "ieee")):
        for each in settings:
            each.fp32_precision = wanted
            if each.fp32_precision != wanted:
                raise Unsupported(f"PyTorch computes float32 products as {each.fp32_precision}, not as {wanted}")


def versions() -> dict[str, str]:
    """Of PyTorch, and of the CUDA that it was built for."""
    return {"torch": str(torch.__version__), **({"cuda": torch.version.cuda} if torch.version.cuda else {})}


def cudnn_version() -> dict[str, str]:
    """Of cuDNN, which this loads; empty where PyTorch was built without."""
    return {"cudnn": str(found)} if (found := torch.backends.cudnn.version()) else {}


@cache
def side_stream() -> torch.cuda.Stream:
    """The one stream on which graphs are warmed up and captured, in a process with CUDA.

    PyTorch keeps a workspace of cuBLAS for each thread and each stream that it ever ran on: 8 of 4 MiB as workers
    set it. With a stream for each capture, they would count as the trainer's memory, and those of probes would never
    be freed.
    """
    return torch.cuda.Stream()
