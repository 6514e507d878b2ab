"""Our own forward and backward passes in NumPy; on CUDA the same code through CuPy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from backends import parts
from backends.base import Backend, Choice, Probes, Runtime, Trainer, Variant, installed
from backends.job import Device, Job, ModelSpec, Parameters, Precision

#: CuPy's distributions, one for each CUDA.
CUPYS = ("cupy-cuda12x", "cupy-cuda13x", "cupy")
#: Hidden units up to which the interpreter's part of a step dominates, and from which on matrix products do.
SMALL, LARGE = 64, 256


class NumpyBackend(Backend):
    """NumPy on CPU; the same code with CuPy's arrays on CUDA. No autograd library."""

    name = "numpy"
    distribution = "numpy"

    def version(self) -> str:
        import numpy

        return numpy.__version__

    def versions(self) -> Mapping[str, str]:
        from backends.numpy import runtime

        return {**runtime.versions(), **installed("numba", *CUPYS), **runtime.cupy_versions()}

    def devices(self) -> dict[Device, str | None]:
        return {"cpu": None, "cuda": _why_no_cuda()}

    def why_no(self, precision: Precision, device: Device) -> str | None:
        if precision == "bfloat16":
            return "NumPy has no such type"
        if precision == "tf32" and device == "cuda":
            return "CuPy takes it from a variable of the whole process, or from a function that is not public"
        return super().why_no(precision, device)

    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        on_gpu = "CuPy has threads of its own" if device == "cuda" else None
        return [
            Variant(
                "textbook",
                "a Python loop over time, a matrix per gate, gradients added up per step",
                "default",
                runs=r"Python loop of textbook \S+,",
            ),
            Variant(
                "hoisted",
                "one recurrent GEMM per step; input projection and weight gradients are one GEMM each "
                "outside the loop; preallocated, in place",
                "best",
                runs=r"Python loop of cells \S+, [^,]+$",
            ),
            Variant(
                "halves",
                "hoisted, with a thread for each part of the batch",
                "best",
                on_gpu,
                runs=r"Python loop of cells \S+, [^,]+, \d+ parts",
                like="hoisted",
                devices=("cpu",),
            ),
            Variant(
                "numba",
                "the same, its element-wise work and its loop compiled by numba",
                "best",
                "numba computes on the CPU" if device == "cuda" else _why_no_numba(),
                precisions=("float32",),
                runs=r"numba loop \([1-9]",
                devices=("cpu",),
            ),
            Variant(
                "kernels",
                "hoisted, the element-wise work of a step in one CUDA kernel of our own, through CuPy",
                "best",
                "its kernels are for CUDA only" if device == "cpu" else None,
                runs=r"Python loop of kernels cupy\.dot, cuBLAS$",
                devices=("cuda",),
            ),
        ]

    def lacks(self, job: Job) -> str | None:
        return parts.why_not(job) if job.variant == "halves" else None

    def choose(self, job: Job) -> Choice:
        if job.device == "cuda":
            return Choice("kernels", "the fewest launches to a step; not measured on CUDA")
        halves = min(job.threads, job.batch // 32) > 1
        large = job.model.cell == "lstm" and job.model.hidden >= LARGE
        if job.precision == "float32" and not large and not _why_no_numba():
            return Choice("numba", f"measured fastest, for an LSTM below {LARGE} hidden units")
        if halves and job.model.hidden > SMALL:
            return Choice("halves", "measured fastest from 64 sequences and 128 hidden units on")
        return Choice("hoisted", "measured fastest without numba in small batches and networks")

    def start(self, job: Job) -> Runtime:
        from backends.numpy import runtime

        return runtime.start(job)

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        from backends.numpy.trainer import NumpyTrainer

        return NumpyTrainer(job, parameters)

    def probes(self, job: Job) -> Probes | None:
        from backends.numpy import limits

        return limits.probes(job)


def _why_no_numba() -> str | None:
    return None if find_spec("numba") else "numba is not installed: pip install numba"


def _why_no_cuda() -> str | None:
    if find_spec("cupy") is None:
        return (
            "NumPy computes on CUDA through CuPy, which is not installed: pip install cupy-cuda12x, or cupy-cuda13x, "
            "as the driver has CUDA 12 or 13"
        )
    try:
        import cupy

        return None if cupy.cuda.runtime.getDeviceCount() else "CuPy sees no CUDA device"
    except ImportError as error:  # it is linked against the CUDA that its name says
        return f"CuPy cannot be imported: {str(error).strip().splitlines()[0]}"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy sees no CUDA device: {error}"
