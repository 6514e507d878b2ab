"""A record as the index keeps it: its columns at once, the record itself only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from harness.records.base import Status
from harness.records.run import Record
from harness.records.snapshot import Snapshot
from harness.records.store import StoreError, read_record

Value = TypeVar("Value")


class Kept:
    """The record of a run in an index. What the index does not keep comes from its file, which is read for it.

    Raises:
        StoreError: from an attribute, where the file is not any more what it was when the index was made.
    """

    __slots__ = ("_columns", "_of", "_place")

    def __init__(self, of: Snapshot, place: int) -> None:
        self._of, self._columns, self._place = of, of.columns, place

    def value(self, name: str) -> Any:
        """What the index keeps under that name."""
        return self._columns[name][self._place]

    @property
    def id(self) -> str:
        """The record's name."""
        found: str = self.value("id")
        return found

    @property
    def status(self) -> Status:
        """How the run ended."""
        found: Status = self.value("status")
        return found

    @property
    def created(self) -> datetime:
        """When it was recorded."""
        found: datetime = self.value("created")
        return found

    @property
    def path(self) -> Path:
        """Its file."""
        return Path(self._of.paths[self._place])

    @property
    def seal(self) -> str:
        """The digest that its file carries: the address of its page, whatever schema it has."""
        return self._of.seals[self._place]

    @property
    def packed_curve(self) -> bytes | None:
        """Its evaluations as the index keeps them; None without."""
        return self._of.curve(self._place)

    @property
    def record(self) -> Record:
        """All of it, read again; the last one read is remembered."""
        path = self._of.paths[self._place]
        if self._of.last is None or self._of.last[0] != path:
            found = read_record(Path(path))
            if found.id != self.value("id"):
                raise StoreError(f"{path}: changed while it was being looked at")
            self._of.last = path, found
        return self._of.last[1]

    def __getattr__(self, name: str) -> Any:
        """As of the record."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.record, name)

    def __repr__(self) -> str:
        return f"Kept({str(self.path)!r})"


#: A record of a run, as it is or as an index keeps it.
Run = Record | Kept


def kept(name: str, get: Callable[[Record], Value]) -> Callable[[Run], Value]:
    """``get``, which takes what an index keeps under ``name`` from there."""

    def either(run: Run) -> Value:
        return run.value(name) if type(run) is Kept else get(run)  # type: ignore[arg-type]

    return either
