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
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

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
        own = [] if any(entry.dist and entry.dist.name == "harness" for entry in installed) else _own(self.group)
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


def _own(group: str) -> Iterator[EntryPoint]:
    """What this checkout registers once it is installed; nothing where this is no checkout."""
    if PROJECT.exists():
        project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
        for name, value in project["entry-points"].get(group, {}).items():
            yield EntryPoint(name, value, group)
