"""Finding tasks and backends by name, through entry points: the one plug-in mechanism of all three floors.

Built-ins and third parties' additions register the same way, with a line ``name = "module:attribute"``
in their distribution's entry points. Nothing is imported until a name is loaded. In a checkout that is
not installed, entry points and version are read from ``pyproject.toml``.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, Protocol

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


class Made(Protocol):
    """What is made from something else than code when it is asked for, by name; entry points come first."""

    def names(self) -> list[str]:
        """All names."""

    def load(self, name: str) -> Any:
        """The object of that name."""


class Registry:
    """The entry points of one group, by name, and what is made from something else than code.

    Args:
        group: of the entry points, such as ``harness.tasks``.
        noun: what they are called in messages, such as ``task``.
        made: further names; none for entry points alone.
    """

    def __init__(self, group: str, noun: str, made: Made | None = None) -> None:
        self.group = group
        self.noun = noun
        self._made = made

    def _entries(self) -> dict[str, EntryPoint]:
        return _entries(self.group, self.noun, places())

    def names(self) -> list[str]:
        """All registered names, sorted.

        Raises:
            UnknownName: two distributions register one name for different objects.
        """
        return sorted({*self._entries(), *self._made_names()})

    def registered(self) -> list[str]:
        """The names of entry points alone, sorted. Raises as ``names``."""
        return sorted(self._entries())

    def _made_names(self) -> list[str]:
        return self._made.names() if self._made else []

    def check(self, name: str) -> str:
        """Return ``name`` if it is registered; imports nothing.

        Raises:
            UnknownName: it is not; the message suggests the nearest registered name.
        """
        if name not in self._entries() and name not in self._made_names():
            raise UnknownName(nearest(self.noun, name, self.names()))
        return name

    def is_ours(self, name: str) -> bool:
        """Whether this project itself brings ``name``, and not another distribution; imports nothing.

        Raises:
            UnknownName: no such name; the message suggests the nearest.
        """
        entry = self._entries().get(self.check(name))
        return entry is None or entry.dist is None or entry.dist.name == DISTRIBUTION

    def load(self, name: str) -> Any:
        """Import and return the object registered as ``name``, or make it.

        Raises:
            UnknownName: no such name; the message suggests the nearest.
        """
        entry = self._entries().get(self.check(name))
        if entry is None and self._made is not None:
            return self._made.load(name)
        assert entry is not None
        return entry.load()

    def distribution(self, name: str) -> Distribution | None:
        """The installed distribution that registers ``name``; None for what is made, or in a checkout not installed.

        Raises:
            UnknownName: no such name.
        """
        entry = self._entries().get(self.check(name))
        return entry.dist if entry else None


def project_version() -> str | None:
    """This project's version: that of the installed distribution, else the one in the checkout's ``pyproject.toml``."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return _project().get("version")


@lru_cache
def _installed(seen: tuple[tuple[str, int], ...]) -> Any:
    """All entry points in these places: finding those of one group reads the others', too."""
    del seen
    return entry_points()


@lru_cache
def _entries(group: str, noun: str, seen: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    """The entry points of a group in these places. Reading them takes milliseconds, and a study has thousands of runs.

    Raises:
        UnknownName: two distributions register one name for different objects.
    """
    found: dict[str, EntryPoint] = {}
    installed = _installed(seen).select(group=group)
    own = [] if any(entry.dist and entry.dist.name == DISTRIBUTION for entry in installed) else _own(group)
    for entry in (*installed, *own):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise UnknownName(
                f"{noun} {entry.name!r} is registered twice, "
                f"as {other.value} and as {entry.value}; uninstall one of them"
            )
    return found


def places() -> tuple[tuple[str, int], ...]:
    """Where distributions are looked for, with the times at which something was last installed there or removed."""
    return tuple((place, _changed(place)) for place in sys.path)


def _changed(place: str) -> int:
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return 0


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
