"""TensorFlow imported without JAX, which it imports where both are installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType


class _NoJax(MetaPathFinder):
    """Finds no module ``jax``, as where it is not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ModuleNotFoundError for JAX; leaves any other module to the finders that follow."""
        del path, target
        if fullname == "jax":
            raise ModuleNotFoundError("not imported along with TensorFlow, which does without it", name="jax")


def tensorflow() -> ModuleType:
    """The module ``tensorflow``. Where this imports it, it leaves JAX out, unless that is there already.

    TensorFlow Lite takes JAX for one converter, from JAX, and takes its absence for what it is.
    """
    finder = _NoJax()
    sys.meta_path.insert(0, finder)
    try:
        return import_module("tensorflow")
    finally:
        sys.meta_path.remove(finder)
