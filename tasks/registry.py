"""Names to objects, through entry points: the one plug-in mechanism of all three floors.

A built-in and a third party's addition register the same way, as a line
``name = "module:attribute"`` in their distribution's entry points. Nothing is
imported until a name is loaded. A checkout that is not installed, on a machine without a network
say, has its own ``pyproject.toml`` read instead.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

#: The distribution that holds all three floors. ``harness`` on the package index is somebody else's.
DISTRIBUTION = "rnn-harness"
#: Of the checkout that this file lies in, if it lies in one.
PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


class UnknownName(LookupError):
    """A name that nothing registered; the message suggests the nearest one."""


def nearest(noun: str, name: str, known: list[str]) -> str:
    """One line that refuses ``name`` and says what would be right."""
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"unknown {noun} {name!r}; {hint}"


class Registry:
    """The entry points of one group, by name."""

    def __init__(self, group: str, noun: str) -> None:
        self.group = group
        self.noun = noun

    def _entries(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        installed = entry_points(group=self.group)
        own = [] if any(entry.dist and entry.dist.name == DISTRIBUTION for entry in installed) else _own(self.group)
        for entry in (*installed, *own):
            other = found.setdefault(entry.name, entry)
            if other.value != entry.value:
                raise UnknownName(
                    f"{self.noun} {entry.name!r} is registered twice, "
                    f"as {other.value} and as {entry.value}; uninstall one of them"
                )
        return found

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._entries())

    def check(self, name: str) -> str:
        """Return ``name`` if it is registered, without importing anything.

        Raises:
            UnknownName: with the nearest registered name.
        """
        entries = self._entries()
        if name not in entries:
            raise UnknownName(nearest(self.noun, name, list(entries)))
        return name

    def load(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Raises:
            UnknownName: with the nearest registered name.
        """
        return self._entries()[self.check(name)].load()


def project_version() -> str | None:
    """This project's version: that of the installed distribution, else the one in the checkout's ``pyproject.toml``."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return _project().get("version")


def _own(group: str) -> Iterator[EntryPoint]:
    """The entry points that this checkout would register if it were installed; none outside a checkout."""
    for name, value in _project().get("entry-points", {}).get(group, {}).items():
        yield EntryPoint(name, value, group)


def _project() -> dict[str, Any]:
    """The ``[project]`` table of the checkout that this file lies in; empty outside a checkout."""
    if not PROJECT.exists():
        return {}
    found: dict[str, Any] = tomllib.loads(PROJECT.read_text(encoding="utf-8")).get("project", {})
    return found if found.get("name") == DISTRIBUTION else {}
