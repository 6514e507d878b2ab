"""PyTorch. This module names what there is; the framework is imported on first use."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from backends import allocator
from backends.base import Backend, Choice, Probes, Runtime, Trainer, Variant, installed, why_too_old
from backends.job import MIXED, Device, Job, ModelSpec, Parameters, Precision

#: Variants of which a CUDA graph is replayed for each update.
GRAPHS = ("graph", "graph-late-dw")
#: Where kernels can be seen, the replay's are; where they cannot, it is seen to have made an update.
REPLAYED = r"CUDA graph \((cudaGraphLaunch, [1-9]\d* kernels|updates; no CUPTI to see its kernels)\) of "


class TorchBackend(Backend):
    """PyTorch on CPU and CUDA, eager."""

    name = "torch"
    distribution = "torch"

    def version(self) -> str:
        import torch

        return str(torch.__version__)

    def versions(self) -> Mapping[str, str]:
        from backends.torch import runtime

        return {**runtime.versions(), **runtime.cudnn_version(), **installed("triton")}

    def devices(self) -> dict[Device, str | None]:
        import torch

        if torch.cuda.is_available():
            return {"cpu": None, "cuda": None}
        if built := torch.version.cuda:
            return {"cpu": None, "cuda": f"PyTorch sees no CUDA device; it needs a driver for CUDA {built}"}
        return {"cpu": None, "cuda": "this PyTorch is a CPU build, without CUDA: install one that was built for it"}

    def precisions(self, device: Device) -> tuple[Precision, ...]:
        return MIXED[device]

    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        unbuilt = "PyTorch has no stock layer for it" if model.cell == "gru-reset-before" else None
        only_cuda = None if device == "cuda" else "CUDA graphs are replayed on CUDA only"
        only_cpu = "it is about the host's memory" if device == "cuda" else None
        stock = "aten::_cudnn_rnn" if device == "cuda" else r"aten::(mkldnn_rnn_layer|lstm|gru|rnn_tanh)"
        by_hand = r"Python loop of \S+, its way back by hand"
        return [
            Variant(
                "nn", "nn.RNN, nn.LSTM or nn.GRU: oneDNN (LSTM on CPU), cuDNN (CUDA)", "default", unbuilt, runs=stock
            ),
            Variant(
                "nn-kept",
                "the same layers; freed memory stays with the process",
                "best",
                unbuilt or only_cpu or allocator.why_not(),
                runs=f"{stock}, freed memory kept$",
                like="nn",
                devices=("cpu",),
            ),
            Variant(
                "late-dw",
                "a loop with its way back by hand, in place: dW_hh is one GEMM after it",
                "best",
                runs=f"{by_hand}(,|$)(?!.*TorchInductor)",
            ),
            Variant(
                "compiled",
                "late-dw, its element-wise work fused by torch.compile",
                "best",
                _why_nothing_to_compile(model) or _why_no_compiler(device),
                runs=f"{by_hand}, gates by TorchInductor",
            ),
            Variant(
                "loop",
                "a Python loop over time, input projection hoisted out of it",
                "best",
                runs=r"Python loop of \S+, by autograd",
            ),
            Variant(
                "graph",
                "nn, the whole update captured once in a CUDA graph and replayed",
                "best",
                unbuilt or only_cuda,
                runs=rf"{REPLAYED}{stock}",
                devices=("cuda",),
            ),
            Variant(
                "graph-late-dw",
                "late-dw, the whole update captured once in a CUDA graph and replayed",
                "best",
                only_cuda,
                runs=f"{REPLAYED}{by_hand}",
                devices=("cuda",),
            ),
        ]

    def lacks(self, job: Job) -> str | None:
        if job.variant in GRAPHS and (job.variable or job.loss == "ctc"):
            return "lengths and CTC's labels are read on the host, which a CUDA graph cannot do"
        if job.device == "cuda" and job.loss == "ctc" and job.deterministic:
            return "PyTorch's CTC has no deterministic way back on CUDA: --no-deterministic runs the other"
        return why_too_old(job, _capability)

    def choose(self, job: Job) -> Choice:
        if job.device == "cuda":
            if job.model.cell == "gru-reset-before":
                return Choice(
                    "late-dw", "no stock layer computes this cell; not measured on CUDA, nor is graph-late-dw"
                )
            return Choice("nn", "runs on cuDNN; not measured: where launching dominates, graph may well be faster")
        if job.variable:
            return Choice(
                "late-dw", "packed sequences lose oneDNN and cost more than their padding: no stock layer is near"
            )
        if job.model.cell == "lstm" and job.dtype == "float32":
            if why_not := allocator.why_not():
                return Choice("nn", f"oneDNN, measured faster than any loop; {why_not}")
            return Choice(
                "nn-kept",
                "oneDNN, measured faster than any loop; with freed memory kept as fast to twice as fast as without",
            )
        return Choice(
            "late-dw", "measured 1.2 to 1.8 times as fast as the stock layer, which autograd takes step by step"
        )

    def start(self, job: Job) -> Runtime:
        from backends.torch import runtime

        return runtime.start(job)

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        from backends.torch.graph import GraphTrainer
        from backends.torch.trainer import TorchTrainer

        if job.variant != "nn":
            allocator.keep_freed_memory()

        return (GraphTrainer if job.variant in GRAPHS else TorchTrainer)(job, parameters)

    def probes(self, job: Job) -> Probes | None:
        from backends.torch import limits

        return limits.probes(job)


def _why_nothing_to_compile(model: ModelSpec) -> str | None:
    return "a plain RNN's step has one element-wise operation: nothing to fuse" if model.cell == "rnn" else None


def _capability() -> tuple[int, ...]:
    import torch

    found: tuple[int, ...] = torch.cuda.get_device_capability()
    return found


def _why_no_compiler(device: Device) -> str | None:
    """TorchInductor writes C++ for the CPU, Triton for CUDA, whose launcher is compiled as C."""
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
    """Where Triton has its C compiler look for ``Python.h``: Debian's own scheme would name another folder."""
    scheme = sysconfig.get_default_scheme()
    return Path(sysconfig.get_path("include", "posix_prefix" if scheme == "posix_local" else scheme))
