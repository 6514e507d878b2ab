"""What runs and contestants share: settings put in force, the gate, a trainer, memory, what was executed."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from functools import cache
from typing import Any

import backends
from backends import parameters as canonical
from backends.base import Backend, Trainer, Unsupported
from backends.job import Job, Parameters
from harness.errors import Diverged, RunFailed
from harness.machine import process
from harness.protocol import Decided, Event, Executed, GateDone
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec
from harness.worker import choosing, own
from harness.worker.clocks import Clocks
from harness.worker.gate import Draw, first_apart, pass_gate
from tasks.base import Batch

Emit = Callable[[Event], None]


#: What importing a framework raises that is missing, broken, or finds too little memory for its libraries.
NOT_LOADED = (ImportError, OSError, MemoryError)


def why_not_loaded(backend: Backend, error: Exception) -> str:
    """One line: the command that installs the backend's framework, or why it cannot be loaded although it is there."""
    if isinstance(error, ModuleNotFoundError):
        return f"{backend.name} is not installed ({error}): pip install {backend.distribution}"
    said = str(error).strip()
    while "\n" in said and (below := error.__cause__ or error.__context__):  # a page of advice, the cause below it
        error, said = below, str(below).strip()  # type: ignore[assignment]
    return f"{backend.name} cannot be loaded: {said.split(chr(10))[0] or 'out of memory'}"


def load(name: str, clocks: Clocks) -> Backend:
    """The backend with its framework imported, on the clock ``import``.

    Raises:
        Unsupported: it is not installed, or cannot be loaded.
    """
    backend = backends.load(name)
    with clocks("import"):
        try:
            backend.version()
        except NOT_LOADED as error:
            raise Unsupported(why_not_loaded(backend, error)) from error
    return backend


def start(backend: Backend, spec: RunSpec | SpeedSpec, job: Job, emit: Emit) -> tuple[Job, int | None]:
    """Decide the variant and put the spec's settings in force; returns the decided job and the bytes then resident.

    Raises:
        Unsupported: the backend cannot compute the job, or cannot follow the denormal policy.
        RunFailed: the number of threads in force is not the spec's.
    """
    job, why = choosing.resolve(backend, job, spec.denormals)
    runtime = backend.start(job)
    emit(
        Decided(
            variant=job.variant,
            tier=backend.variant(job).tier,
            variant_reason=why,
            threads=runtime.threads,
            flushes_denormals=runtime.flushes_denormals,
            versions=dict(runtime.versions),
            device_name=runtime.device_name,
            deterministic=backend.is_deterministic(job),
        )
    )
    if runtime.threads != spec.threads:
        raise RunFailed(f"{spec.backend} runs {runtime.threads} threads where the spec says {spec.threads}")
    if runtime.flushes_denormals != (spec.denormals == "flush"):
        does = "flushes denormals to zero" if runtime.flushes_denormals else "keeps denormals"
        raise Unsupported(f"{spec.backend} on this processor {does}; the spec says {spec.denormals!r}")
    return job, process.resident_bytes()


def build(
    backend: Backend,
    job: Job,
    draw: Draw,
    parameters: Parameters,
    clocks: Clocks,
    emit: Emit,
    shortened: Job | None = None,
    start: Parameters | None = None,
) -> Trainer:
    """A trainer that passed the gate, on the clocks ``gate`` and ``build``.

    Args:
        draw: batch number ``index`` of ``size`` sequences.
        shortened: for the gate, the same job with shorter sequences, which ``draw`` gives; None for the job itself.
        start: what training starts from, where that is not ``parameters``, which the gate starts from. Trained ones
            are no good for the gate: the rounding of a gradient near zero decides which way Adam steps.

    Raises:
        Diverged: its updates are too far from the reference's; the message says which quantity is the first to be.
    """
    if job.own is not None:
        return _own(backend, job, draw, clocks, emit)
    with clocks("gate"):
        gate = pass_gate(backend, shortened or job, draw, parameters, shortened.length if shortened else None)
    emit(GateDone(gate.model_dump()))
    if not gate.passed:
        raise Diverged(
            f"did not pass the gate: after {gate.steps} updates the loss is {gate.loss_distance:.1e} and the "
            f"parameters {gate.parameter_distance:.1e} from the reference, relatively; {gate.tolerance:.0e} is allowed"
            f"{_first_apart(backend, shortened or job, draw, parameters)}"
        )
    with clocks("build"):
        return backend.trainer(job, start or parameters)


def _own(backend: Backend, job: Job, draw: Draw, clocks: Clocks, emit: Emit) -> Trainer:
    """As ``build``, for a user's own model, which starts from parameters of its own."""
    with clocks("gate"):
        try:
            gate = own.pass_gate(backend, job, draw)
        except own.WrongBackward as error:
            emit(GateDone(error.gate.model_dump()))
            raise
    emit(GateDone(gate.model_dump() if gate else {}))
    if gate and not gate.passed:
        raise Diverged(
            f"did not pass the gate: what {job.own and job.own.name} predicts is {gate.prediction_distance:.1e} from "
            f"its own reference, relatively; {gate.tolerance:.0e} is allowed"
        )
    with clocks("build"):
        return backend.trainer(job, {})


def counted(job: Job, trainer: Trainer) -> dict[str, Any]:
    """Trainable numbers, and FLOPs of an update's matrix products: unknown of a user's own model."""
    if job.own is not None:
        return {"parameters": sum(array.size for array in trainer.parameters().values()), "flops_per_step": None}
    return {
        "parameters": canonical.count(job.model),
        "flops_per_step": canonical.flops_per_step(job.model, job.batch, job.length),
    }


def _first_apart(backend: Backend, job: Job, draw: Draw, parameters: Parameters) -> str:
    """``gate.first_apart``, to go on with; nothing where looking itself goes wrong, which the log then shows."""
    try:
        return f"; {first_apart(backend, job, draw, parameters)} (harness parity shows every quantity)"
    except Exception:
        traceback.print_exc()
        return ""


def check_executed(backend: Backend, job: Job, trainer: Trainer, batch: Batch, emit: Emit) -> None:
    """Find out what computed the recurrence, and report it.

    Comes last: looking may trace or compile, which must not take that work from the first update's time.

    Raises:
        RunFailed: it is not what the variant's name says.
    """
    executed = trainer.executed(batch.astype(job.dtype))
    emit(Executed(executed))
    expected = backend.variant(job).runs
    if not re.match(expected, executed):
        raise RunFailed(f"variant {job.variant!r} ran {executed!r}, not what its name says ({expected})")


class Memory:
    """Memory of the process and of its device in bytes: the levels now, before training, and the peaks from now on."""

    def __init__(self, trainer: Trainer) -> None:
        process.reset_peak()
        self.trainer = trainer
        self.levels: dict[str, Any] = {
            "host_init_bytes": process.resident_bytes(),
            "device_init_bytes": trainer.memory().in_use,
        }

    @cache  # noqa: B019 - one per process
    def peaks(self) -> dict[str, Any]:
        """The peaks at the first call: arrays that measure a limit come later and must not count."""
        return {"host_peak_bytes": process.peak_resident_bytes(), "device_peak_bytes": self.trainer.memory().peak}


def blas() -> list[dict[str, Any]]:
    """The libraries of matrix products and of threads that this process has loaded, as ``records.Blas`` has them."""
    from threadpoolctl import threadpool_info

    return [
        {
            "library": found["internal_api"],
            "version": found.get("version"),
            "kernel": found.get("architecture"),
            "threads": found.get("num_threads"),
        }
        for found in threadpool_info()
    ]
