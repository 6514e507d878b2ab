"""The variant of a job: the one that was measured here as the fastest, else the one that the backend's rule takes."""

from __future__ import annotations

from dataclasses import replace

from backends.base import Backend, Choice, Unsupported
from backends.job import Job
from harness.records import tuned
from harness.specs.base import Denormals


def resolve(backend: Backend, job: Job, denormals: Denormals) -> tuple[Job, str]:
    """``job`` with its variant decided, and why: as ``Backend.resolve``, but what was tuned here comes first.

    Raises:
        Unsupported: as ``Backend.resolve``.
    """
    if job.variant != "auto" or job.model.is_own:
        return backend.resolve(job)
    try:
        found = _tuned(backend, job, denormals)
    except tuned.Unreadable:
        resolved, why = backend.resolve(job)
        return resolved, f"{why}; the file of tuned choices cannot be read"
    return found or backend.resolve(job)


def choose(backend: Backend, job: Job, denormals: Denormals) -> Choice:
    """What ``auto`` stands for, of a job as one micro-batch is computed."""
    try:
        found = _tuned(backend, replace(job, variant="auto"), denormals)
    except tuned.Unreadable:
        found = None
    return backend.choose(job) if found is None else Choice(found[0].variant, found[1])


def _tuned(backend: Backend, job: Job, denormals: Denormals) -> tuple[Job, str] | None:
    """The job with the variant that was measured as the fastest, and that reason; None where none was, or it cannot
    compute the job.

    Raises:
        tuned.Unreadable: the file of tuned choices holds something else.
    """
    choice = tuned.find(backend.name, job, denormals)
    if choice is None:
        return None
    try:
        resolved, _ = backend.resolve(replace(job, variant=choice.variant))
    except Unsupported:  # it is gone, or lacks something that a kind of job does not name
        return None
    return resolved, choice.reason
