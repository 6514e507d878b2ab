"""PyTorch. Importing this module does not import the framework."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from backends import allocator, parts
from backends.base import Choice, Probes, Runtime, installed, why_too_old
from backends.job import MIXED, Device, Job, Precision
from backends.own_cell import is_cell
from backends.registered import RegisteredBackend
from backends.torch.variants import OWN_MODEL, VARIANTS

#: Hidden units: from SMALLEST on parts of the batch were measured as faster; at LARGEST they lose by being smaller.
SMALLEST, LARGEST = 50, 512
#: Sequences of a part, at the least: with 8 of them ``nn-parts`` was slower than ``nn``, with 16 than ``nn-kept``.
MANY = 32


class TorchBackend(RegisteredBackend):
    """PyTorch on CPU and CUDA, eager."""

    name = "torch"
    distribution = "torch"
    libraries = ("triton", "nvidia-cu*")
    registry = VARIANTS
    own = OWN_MODEL

    def versions(self) -> Mapping[str, str]:
        """The versions of PyTorch, CUDA, cuDNN and Triton."""
        from backends.torch import runtime

        return {**runtime.versions(), **runtime.cudnn_version(), **installed("triton")}

    def devices(self) -> dict[Device, str | None]:
        """The CPU always; CUDA where PyTorch sees a GPU."""
        import torch

        if torch.cuda.is_available():
            return {"cpu": None, "cuda": None}
        if built := torch.version.cuda:
            return {"cpu": None, "cuda": f"PyTorch sees no CUDA device; it needs a driver for CUDA {built}"}
        return {"cpu": None, "cuda": "this PyTorch is a CPU build, without CUDA: install one that was built for it"}

    def precisions(self, device: Device) -> tuple[Precision, ...]:
        """All of them; TF32 on CUDA only."""
        return MIXED[device]

    def lacks(self, job: Job) -> str | None:
        """What the variant's entry says; a deterministic CTC on CUDA; a GPU too old for the precision."""
        if why := super().lacks(job):
            return why
        if job.device == "cuda" and job.loss == "ctc" and job.deterministic:
            return "PyTorch's CTC has no deterministic backward pass on CUDA: --no-deterministic allows the other one"
        return why_too_old(job, _capability)

    def trains(self, definition: Any) -> bool:
        """A class of ``nn.Module``, and a cell."""
        torch = sys.modules.get("torch")
        return is_cell(definition) or (
            torch is not None and isinstance(definition, type) and issubclass(definition, torch.nn.Module)
        )

    def choose(self, job: Job) -> Choice:
        """By cell, size and device, as measured."""
        if job.device == "cuda":
            if job.model.cell == "gru-reset-before":
                return Choice(
                    "deferred-dw", "no stock layer computes this cell; not measured on CUDA, nor is graph-deferred-dw"
                )
            return Choice("nn", "runs on cuDNN; not measured: where launching dominates, graph may well be faster")
        if job.variable:
            return Choice(
                "deferred-dw", "packed sequences lose oneDNN and cost more than their padding: no stock layer is near"
            )
        if job.model.cell == "lstm" and job.dtype == "float32":
            if why_not := allocator.why_not():
                return Choice("nn", f"oneDNN, measured faster than any loop; {why_not}")
            in_parts = parts.why_not(job) is None and job.batch >= MANY * job.threads
            if in_parts and SMALLEST <= job.model.hidden < LARGEST:
                return Choice("nn-parts", "oneDNN, measured 1.1 to 1.5 times as fast as nn-kept, 50 to 320 units")
            return Choice(
                "nn-kept",
                "oneDNN, measured faster than any loop; with freed memory kept as fast to twice as fast as without",
            )
        return Choice(
            "deferred-dw", "measured 1.2 to 1.8 times as fast as the stock layer, which autograd takes step by step"
        )

    def start(self, job: Job) -> Runtime:
        """Put threads, precision and determinism in force."""
        from backends.torch import runtime

        return runtime.start(job)

    def probes(self, job: Job) -> Probes | None:
        """The work that measures the device's limits."""
        from backends.torch.probes import probes

        return probes(job)


def _capability() -> tuple[int, ...]:
    import torch

    found: tuple[int, ...] = torch.cuda.get_device_capability()
    return found
