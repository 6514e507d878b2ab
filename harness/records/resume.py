"""What decides a run's figure besides its spec, as one key: a run whose key a finished record has is not run again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import Final

import backends
from backends import UnknownName
from harness.records.base import Environment, Status
from harness.records.former import current_packages
from harness.records.run import Record
from harness.specs.run import RunSpec

#: Variables of a worker that decide how it allocates memory, or how much of it a library may take to compute.
MEMORY: Final = ("XLA_PYTHON_CLIENT_PREALLOCATE", "TF_FORCE_GPU_ALLOW_GROWTH", "CUBLAS_WORKSPACE_CONFIG")
#: A run that was stopped measured nothing: there is no result to keep in place of another try.
NEVER_DONE: Final[tuple[Status, ...]] = ("interrupted",)


@dataclass(frozen=True)
class Kind:
    """A kind of machine with what is installed on it: all that decides a figure besides the spec.

    Threads and the treatment of denormal numbers are the spec's own.

    Attributes:
        sources: SHA-256 of each floor of this project.
        libraries: versions of the distributions that compute, Python's under its name.
        plugins: SHA-256 of the source of a third party's task and backend.
        processor: the GPU's name, or the CPU's for a run on the CPU.
        memory: the variables of ``MEMORY`` as the worker had them.
    """

    sources: Mapping[str, str]
    libraries: Mapping[str, str]
    plugins: Mapping[str, str]
    processor: str
    memory: Mapping[str, str]

    @classmethod
    def of(cls, environment: Environment, backend: str, processor: str | None = None) -> Kind:
        """What an environment says of it.

        Args:
            processor: where it is not the CPU's.
        """
        return cls(
            sources=environment.sources,
            libraries=computing(backend, environment.packages, environment.python),
            plugins=environment.plugins,
            processor=processor or environment.cpu,
            memory={name: environment.variables[name] for name in MEMORY if name in environment.variables},
        )

    @property
    def text(self) -> str:
        """It as one line, equal for equal kinds."""
        return json.dumps(vars(self), sort_keys=True, default=dict)

    @property
    def anywhere(self) -> str:
        """The same without the machine: equal wherever the same code and libraries are."""
        return json.dumps({**vars(self), "processor": None, "memory": None}, sort_keys=True, default=dict)


def key(digest: str, kind: str) -> str:
    """The key of a spec on a kind of machine: SHA-256, in hexadecimal.

    Args:
        digest: the spec's.
        kind: the ``text`` of a ``Kind``; or its ``anywhere``, for the key that it has on every machine.
    """
    return hashlib.sha256(f"{digest} {kind}".encode()).hexdigest()


def key_of(record: Record) -> str | None:
    """The key of a record; None where it does not say all that decides it, as records of schema 1 do not, and where the
    run was refused because others were busy.
    """
    kind = _kind_of(record)
    return None if kind is None else key(record.spec.digest, kind.text)


def key_anywhere(record: Record) -> str | None:
    """The key that the record of a run has on every machine, where an engine chose the machine; None of all others."""
    kind = _kind_of(record) if record.place is not None and record.place.engine != "local" else None
    return None if kind is None else key(record.spec.digest, kind.anywhere)


def _kind_of(record: Record) -> Kind | None:
    if record.before is not None and record.before.refused:  # nothing was tried
        return None
    where = record.environment
    if not where.sources or not where.packages:
        return None
    gpu = (where.device_name or where.gpu.get("name")) if record.spec.device == "cuda" else None
    return Kind.of(where, record.spec.backend, gpu)


def shape_of(spec: RunSpec) -> str:
    """What decides how long a run takes, as far as a spec says it, as a digest: runs of one take about as long."""
    free = {"seed", "initialisation", "optimizer", "start", "score_at", "label_smoothing"}
    return hashlib.sha256(spec.model_dump_json(exclude=free).encode()).hexdigest()[:16]


def computing(backend: str, packages: Mapping[str, str], python: str) -> dict[str, str]:
    """The versions of the distributions that compute for a backend, of all that are installed, and of Python."""
    found = {
        name: version
        for name, version in current_packages(packages).items()
        if any(fnmatch(name, pattern) for pattern in _patterns(backend))
    }
    return {"python": ".".join(python.split(".")[:2]), **dict(sorted(found.items()))}


@cache
def _patterns(backend: str) -> tuple[str, ...]:
    try:
        loaded = backends.load(backend)
    except (UnknownName, ImportError):  # a third party's, which is not installed here
        return ("numpy",)
    return ("numpy", loaded.distribution, *loaded.libraries)
