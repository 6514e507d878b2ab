"""First floor: how it is computed. One package per framework; ``backends.base`` imports none."""

from __future__ import annotations

from functools import cache

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


@cache
def current_variant(backend: str, variant: str) -> str:
    """The present name of a variant, given this or a former one. No framework is imported.

    A name that the backend never had, or of an unknown backend, is returned as it is.
    """
    try:
        return load(backend).current_variant(variant)
    except (UnknownName, ImportError):
        return variant


__all__ = ["Backend", "UnknownName", "Unsupported", "current_variant", "load", "registry"]
