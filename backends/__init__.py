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


@cache
def is_stock(backend: str, variant: str, tier: str | None) -> bool:
    """Whether a variant of that tier is its framework's own layer, to which ratios are taken.

    The others of tier ``default`` are rivals: see ``Backend.is_rival``. No framework is imported; of an unknown backend
    the tier decides.
    """
    try:
        return tier == "default" and not load(backend).is_rival(variant)
    except (UnknownName, ImportError):
        return True


__all__ = ["Backend", "UnknownName", "Unsupported", "current_variant", "is_stock", "load", "registry"]
