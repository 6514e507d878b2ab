"""First floor: how it is computed. One package per framework; ``backends.base`` imports none."""

from __future__ import annotations

from backends.base import Backend, Unsupported
from tasks.registry import Registry, UnknownName

registry = Registry("harness.backends", "backend")


def load(name: str) -> Backend:
    """The backend ``name``; its framework is not imported yet.

    Raises:
        UnknownName: no such backend.
    """
    backend: Backend = registry.load(name)()
    return backend


__all__ = ["Backend", "UnknownName", "Unsupported", "load", "registry"]
