"""What a backend has on this machine, and which of its variants can compute a job."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import backends
from backends.base import Backend
from backends.job import CELLS, Job, ModelSpec
from harness.protocol import Listed, Probed
from harness.specs.speed import SpeedSpec
from harness.worker import choosing
from harness.worker.preparation import NOT_LOADED, why_not_loaded


def probed(name: str) -> Probed:
    """Versions, devices and variants of the backend ``name``, or why it cannot be used."""
    backend = backends.load(name)
    found: dict[str, Any] = {
        "name": name, "version": None, "versions": {}, "devices": {}, "reason": None, "variants": _by_name(backend)
    }  # fmt: skip
    try:
        found["version"] = backend.version()
        found["versions"] = dict(backend.versions())
        found["devices"] = backend.devices()
    except NOT_LOADED as error:
        found["reason"] = why_not_loaded(backend, error)
    return Probed(found)


def _by_name(backend: Backend) -> dict[str, Any]:
    """Every variant by its name; its ``without`` says, by cell, why it cannot compute it."""
    found: dict[str, Any] = {}
    for cell in CELLS:
        model = ModelSpec(cell, inputs=1, hidden=1, outputs=1, readout="last")
        for variant in backend.variants(model, "cpu"):
            about = found.setdefault(
                variant.name,
                {"summary": variant.summary, "tier": variant.tier, "devices": list(variant.devices), "without": {}},
            )
            if variant.reason:
                about["without"][cell] = variant.reason
    return found


def listed(name: str, specs: Sequence[Mapping[str, Any]]) -> Listed:
    """For each speed spec, the variants that a backend has for its job, the one that ``auto`` takes, and the one that
    its rule takes, which is another where something was tuned here.
    """
    backend = backends.load(name)
    return Listed([_listed(backend, SpeedSpec.model_validate(spec)) for spec in specs])


def _listed(backend: Backend, spec: SpeedSpec) -> dict[str, Any]:
    job = spec.job()
    return {
        "variants": _variants(backend, job),
        "auto": choosing.choose(backend, job.micro, spec.denormals).variant,
        "rule": backend.choose(job.micro).variant,
    }


def _variants(backend: Backend, job: Job) -> list[dict[str, Any]]:
    found = []
    for variant in backend.variants(job.model, job.device):
        lacks = backend.lacks(dataclasses.replace(job, variant=variant.name))
        found.append(dataclasses.asdict(variant) | {"reason": variant.reason or lacks})
    return found
