"""What every worker does before its clock starts: settings in force, the gate, a trainer that stands ready."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import backends
from backends.base import Backend, Trainer, Unsupported
from backends.job import Job, Parameters
from harness.errors import RunFailed
from harness.machine import process
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec
from harness.worker.clocks import Clocks
from harness.worker.gate import Draw, pass_gate
from tasks.base import Batch

Emit = Callable[[Mapping[str, Any]], None]


def not_installed(backend: Backend, error: ImportError) -> str:
    """One line with the command that installs the backend's framework."""
    return f"{backend.name} is not installed ({error}): pip install {backend.distribution}"


def load(name: str, clocks: Clocks) -> Backend:
    """The backend with its framework imported, on the clock ``import``.

    Raises:
        Unsupported: it is not installed.
    """
    backend = backends.load(name)
    with clocks("import"):
        try:
            backend.version()
        except ImportError as error:
            raise Unsupported(not_installed(backend, error)) from error
    return backend


def start(backend: Backend, spec: RunSpec | SpeedSpec, job: Job, emit: Emit) -> tuple[Job, int | None]:
    """Decide the variant and put the spec's settings in force; the decided job, and the memory resident then.

    Raises:
        Unsupported: the backend cannot compute the job, or cannot follow the denormal policy.
        RunFailed: other threads are in force than the spec says.
    """
    job, why = backend.resolve(job)
    runtime = backend.start(job)
    emit({
        "variant": job.variant, "tier": backend.variant(job).tier, "variant_reason": why, "threads": runtime.threads,
        "flushes_denormals": runtime.flushes_denormals, "versions": dict(runtime.versions),
        "device_name": runtime.device_name, "deterministic": backend.is_deterministic(job),
    })  # fmt: skip
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
) -> Trainer:
    """A trainer that passed the gate, on the clocks ``gate`` and ``build``.

    ``shortened``: the same job with shorter sequences, which ``draw`` draws, where the gate is to see those.

    Raises:
        RunFailed: its updates are too far from the reference's.
    """
    with clocks("gate"):
        gate = pass_gate(backend, shortened or job, draw, parameters, shortened.length if shortened else None)
    emit({"gate": gate.model_dump()})
    if not gate.passed:
        raise RunFailed(
            f"did not pass the gate: after {gate.steps} updates the loss is {gate.loss_distance:.1e} and the "
            f"parameters {gate.parameter_distance:.1e} from the reference, relatively; {gate.tolerance:.0e} is allowed"
        )
    with clocks("build"):
        return backend.trainer(job, parameters)


def check_executed(backend: Backend, job: Job, trainer: Trainer, batch: Batch, emit: Emit) -> None:
    """What computed the recurrence. Last of all: looking may trace or compile what the first update's time should hold.

    Raises:
        RunFailed: it is not what the variant's name says.
    """
    executed = trainer.executed(batch.astype(job.dtype))
    emit({"executed": executed})
    expected = backend.variant(job).runs
    if not re.match(expected, executed):
        raise RunFailed(f"variant {job.variant!r} ran {executed!r}, not what its name says ({expected})")


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
