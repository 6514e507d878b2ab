"""What kind of machine this is for a run, before any worker is started: see ``harness.records.resume``."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from harness.machine import software, system
from harness.processes import virtual_environments as environments
from harness.processes.environment import worker_variables
from harness.records import resume
from harness.records.resume import MEMORY, Kind
from harness.specs.run import RunSpec
from tasks.registry import UnknownName, places


def key(spec: RunSpec, version: str | None = None) -> str:
    """The key that a record of this spec, made here and now, will have.

    Args:
        version: of the framework, where a certain one is asked for.
    """
    return keys(spec, spec.digest, version)[0]


def keys(spec: RunSpec, digest: str, version: str | None = None) -> tuple[str, str]:
    """``key``, and the key of this spec on every machine that has the code and libraries that are here.

    Args:
        digest: the spec's, which takes longer to find than all else.
    """
    kind = _kind_of(spec, version)
    return resume.key(digest, kind.text), resume.key(digest, kind.anywhere)


def installed(spec: RunSpec, version: str | None = None) -> dict[str, Mapping[str, str]]:
    """``packages`` and ``plugins`` of a record whose worker ended before it said what it has installed.

    Without them the record had another key than its run, which would then never be done.
    """
    plugins: Mapping[str, str] = {}
    with suppress(UnknownName, ImportError):
        plugins = software.plugins(spec.backend, spec.task)
    return {"packages": _packages(spec.backend, version), "plugins": plugins}


class _Texts(NamedTuple):
    """Both texts of a kind: see ``Kind``."""

    text: str
    anywhere: str


def _kind_of(spec: RunSpec, version: str | None) -> _Texts:
    variables = worker_variables(spec)
    memory = tuple((name, variables[name]) for name in MEMORY if name in variables)
    return _kind(spec.backend, spec.task, spec.device, memory, version, places())


@lru_cache
def _kind(
    backend: str, task: str, device: str, memory: tuple[tuple[str, str], ...], version: str | None,
    seen: tuple[tuple[str, int], ...],
) -> _Texts:  # fmt: skip
    del seen  # what is installed while this process runs is found
    found = Kind(
        sources=software.sources(),
        libraries=resume.computing(backend, _packages(backend, version), platform.python_version()),
        plugins=software.plugins(backend, task),
        processor=(system.gpu().get("name") if device == "cuda" else None) or system.cpu_model(),
        memory=dict(memory),
    )
    return _Texts(found.text, found.anywhere)


def _packages(backend: str, version: str | None) -> Mapping[str, str]:
    """What is installed where the run would compute: here, or in a virtual environment that was built for it."""
    if not environments.needed(backend, version):
        return software.packages()
    python = environments.existing(backend) if version is None else environments.known(backend, version)
    return software.packages() if python is None else _packages_of(python)


@cache
def _packages_of(python: Path) -> Mapping[str, str]:
    folders = [str(path) for path in python.parents[1].glob("lib*/python*/site-packages")]
    return software.named(distributions(path=folders or [str(python.parents[1] / "Lib" / "site-packages")]))
