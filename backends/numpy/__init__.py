"""Our own forward and backward passes in NumPy; on CUDA the same code through CuPy."""

from __future__ import annotations

from importlib.util import find_spec

from backends.base import Backend, Choice, Device, Job, ModelSpec, Parameters, Probes, Runtime, Trainer, Variant


class NumpyBackend(Backend):
    """NumPy on CPU; the same code with CuPy's arrays on CUDA. No autograd library."""

    name = "numpy"
    distribution = "numpy"

    def version(self) -> str:
        import numpy

        return numpy.__version__

    def devices(self) -> dict[Device, str | None]:
        return {"cpu": None, "cuda": _why_no_cuda()}

    def variants(self, model: ModelSpec, device: Device) -> list[Variant]:
        return [
            Variant(
                "hoisted",
                "a Python loop over time with one recurrent GEMM per step; input projection and "
                "weight gradients are one GEMM each outside it; preallocated, in place",
                "best",
            )
        ]

    def choose(self, job: Job) -> Choice:
        return Choice("hoisted", "the only variant")

    def start(self, job: Job) -> Runtime:
        from backends.numpy import runtime

        return runtime.start(job)

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        from backends.numpy.trainer import NumpyTrainer

        return NumpyTrainer(job, parameters)

    def probes(self, job: Job) -> Probes | None:
        from backends.numpy import limits

        return limits.probes(job)


def _why_no_cuda() -> str | None:
    if find_spec("cupy") is None:
        return "NumPy computes on CUDA through CuPy, which is not installed: pip install cupy-cuda12x"
    import cupy

    try:
        return None if cupy.cuda.runtime.getDeviceCount() else "CuPy sees no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy sees no CUDA device: {error}"
