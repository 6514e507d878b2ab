"""NumPy, with our own forward and backward passes; on CUDA the same code through CuPy. Imports neither of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from backends.base import Choice, Probes, Runtime, installed
from backends.job import Device, Job, Precision
from backends.numpy.variants import OWN_MODEL, VARIANTS
from backends.own_cell import has_backward, is_cell, why_no_gradients
from backends.registered import RegisteredBackend

#: The distributions of CuPy, one for each major version of CUDA.
CUPYS = ("cupy-cuda12x", "cupy-cuda13x", "cupy")
#: Hidden units up to which the interpreter dominates a step, and from which on matrix products do.
SMALL, LARGE = 64, 256


class NumpyBackend(RegisteredBackend):
    """NumPy on CPU; the same code with CuPy's arrays on CUDA. No autograd library."""

    name = "numpy"
    distribution = "numpy"
    libraries = ("numba", *CUPYS)
    registry = VARIANTS
    own = OWN_MODEL
    differentiates = False

    def versions(self) -> Mapping[str, str]:
        """The versions of NumPy, its BLAS, and where they are installed numba's and CuPy's."""
        from backends.numpy import runtime

        return {**runtime.versions(), **installed("numba", *CUPYS), **runtime.cupy_versions()}

    def devices(self) -> dict[Device, str | None]:
        """The CPU always; CUDA where CuPy sees a GPU."""
        return {"cpu": None, "cuda": _why_no_cuda()}

    def why_no(self, precision: Precision, device: Device) -> str | None:
        """Why NumPy, or CuPy, does not compute ``precision``."""
        if precision == "bfloat16":
            return "NumPy has no such type"
        if precision == "tf32" and device == "cuda":
            return "CuPy takes it from a variable of the whole process, or from a function that is not public"
        return super().why_no(precision, device)

    def lacks(self, job: Job) -> str | None:
        """What the variant says, or the backward pass that a user's own cell does not bring."""
        if job.own is not None and not has_backward(job.own.definition):
            return why_no_gradients(job.own.name)
        return super().lacks(job)

    def trains(self, definition: Any) -> bool:
        """A cell that brings its backward pass."""
        return is_cell(definition) and has_backward(definition)

    def choose(self, job: Job) -> Choice:
        """By cell, size and device, as measured."""
        if job.device == "cuda":
            return Choice("kernels", "the fewest launches to a step; not measured on CUDA")
        if job.precision == "float32" and VARIANTS["native"].why_not(job.model, job.device) is None:
            return Choice("native", "measured 1.1 to 1.7 times as fast as numba, LSTM and GRU of 50 to 512 units")
        in_parts = min(job.threads, job.batch // 32) > 1
        large = job.model.cell == "lstm" and job.model.hidden >= LARGE
        if job.precision == "float32" and not large and VARIANTS["numba"].has_needed():
            return Choice("numba", f"measured fastest, for an LSTM below {LARGE} hidden units")
        if in_parts and job.model.hidden > SMALL:
            return Choice("parts", "measured fastest from 64 sequences and 128 hidden units on")
        return Choice("hoisted", "measured fastest without numba in small batches and networks")

    def start(self, job: Job) -> Runtime:
        """Put threads and, on CUDA, the precision of products in force."""
        from backends.numpy import runtime

        return runtime.start(job)

    def probes(self, job: Job) -> Probes | None:
        """The work that measures the device's limits."""
        from backends.numpy.probes import probes

        return probes(job)


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
