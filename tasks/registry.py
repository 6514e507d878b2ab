"""Finding tasks and backends by name, through entry points: the one plug-in mechanism of all three floors.

Built-ins and third parties' additions register the same way, with a line ``name = "module:attribute"``
in their distribution's entry points. Nothing is imported until a name is loaded. In a checkout that is
not installed, entry points and version are read from ``pyproject.toml``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

#: The distribution that holds all three floors. The name ``harness`` is taken on the package index.
DISTRIBUTION = "rnn-harness"
#: The checkout's project file; missing where this file was installed from a wheel.
PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


class UnknownName(LookupError):
    """A name that is not registered, or registered twice; the message suggests what to do."""


def nearest(noun: str, name: str, known: list[str]) -> str:
    """A message in one line: ``name`` is unknown, did you mean the nearest of ``known``?"""
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"unknown {noun} {name!r}; {hint}"


class Registry:
    """The entry points of one group, by name.

    Args:
        group: of the entry points, such as ``harness.tasks``.
        noun: what they are called in messages, such as ``task``.
    """

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
        """All registered names, sorted.

        Raises:
            UnknownName: two distributions register one name for different objects.
        """
        return sorted(self._entries())

    def check(self, name: str) -> str:
        """Return ``name`` if it is registered; imports nothing.

        Raises:
            UnknownName: it is not; the message suggests the nearest registered name.
        """
        entries = self._entries()
        if name not in entries:
            raise UnknownName(nearest(self.noun, name, list(entries)))
        return name

    def is_ours(self, name: str) -> bool:
        """Whether this project itself brings ``name``, and not another distribution; imports nothing.

        Raises:
            UnknownName: no such name; the message suggests the nearest.
        """
        entry = self._entries()[self.check(name)]
        return entry.dist is None or entry.dist.name == DISTRIBUTION

    def load(self, name: str) -> Any:
        """Import and return the object registered as ``name``.

        Raises:
            UnknownName: no such name; the message suggests the nearest.
        """
        return self._entries()[self.check(name)].load()

    def distribution(self, name: str) -> Distribution | None:
        """The installed distribution that registers ``name``; None in a checkout that is not installed.

        Raises:
            UnknownName: no such name.
        """
        return self._entries()[self.check(name)].dist


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
