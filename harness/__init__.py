"""The command and its Python packages: plans runs, measures them in worker processes, keeps records and shows them.

From Python: ``harness.run``, ``study``, ``speed``, ``tune``, ``compare``, ``verify``, ``read`` and ``export``, which
``harness.api`` defines, and ``harness.data``. Frameworks are imported only in workers, by ``backends``; what is learned
stands in ``tasks``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import data
    from harness.api import (
        Compared,
        Exported,
        Results,
        Tuning,
        UsageError,
        Verified,
        compare,
        export,
        read,
        run,
        speed,
        study,
        tune,
        verify,
    )

__all__ = [
    "Compared", "Exported", "Results", "Tuning", "UsageError", "Verified", "compare", "data", "export", "read", "run",
    "speed", "study", "tune", "verify",
]  # fmt: skip
_HERE = Path(__file__).resolve().parent.parent


class _Floors:
    """Finds the two floors below where this one is: files of a user's may have their names, and come first."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(_HERE)]) if name in ("backends", "tasks") else None


def _find_floors() -> None:
    """Raises ImportError where another module has the name of a floor already; its one line names the file."""
    for name in ("backends", "tasks"):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and Path(file).resolve().parent.parent != _HERE:
            raise ImportError(f"{file} stands in the way: harness has a package {name!r} of its own")
    sys.meta_path.insert(0, _Floors)


_find_floors()


def __getattr__(name: str) -> Any:
    """A function of ``harness.api``: imported when first used, for the command and its workers import this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module("harness.data") if name == "data" else getattr(import_module("harness.api"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
