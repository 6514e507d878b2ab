"""Which runs are done: the records of a folder by their keys, looked at again as others write more."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.presentation.folders import facts
from harness.records.base import Status
from harness.records.facts import FACTS
from harness.records.resume import NEVER_DONE
from harness.records.run import Record
from harness.records.store import Distinct, StoreError, read


class Finished(NamedTuple):
    """What is remembered of a record."""

    path: Path
    id: str
    status: Status
    created: datetime
    seconds: float | None
    shape: str
    saved: bool


#: What ``Finished`` is made of.
_KEYS = ("resume_key", "resume_key_anywhere")
_FACTS = (*_KEYS, "id", "status", "created", "took_s", "shape", "saved")


def _finished(path: Path, facts: Mapping[str, Any]) -> Finished:
    _, _, name, status, created, took_s, shape, saved = (facts[each] for each in _FACTS)
    return Finished(path, name, status, created, took_s, shape, saved is not None)


class Done:
    """The finished runs in a folder, by key. Copies of a record count once; files that are none are nobody's.

    What was finished when this was made is told apart from what came since: only the former can be asked for again, and
    its moments are in whole seconds.

    Args:
        folder: of the records; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_key: dict[str, list[Finished]] = {}
        self._seen: set[Path] = set()
        self._distinct = Distinct()
        rows, _ = facts([folder], _FACTS) if folder.is_dir() else ([], [])
        for row in rows:
            path = Path(str(row["path"]))
            self._seen.add(path)
            self._count(path, row)
        self._former = {each.id for of in self._by_key.values() for each in of}

    def _count(self, path: Path, facts: Mapping[str, Any]) -> None:
        for key in filter(None, (facts[name] for name in _KEYS)):
            self._by_key.setdefault(key, []).append(_finished(path, facts))

    def refresh(self) -> None:
        """Read the records that were written since, which are in the folder itself."""
        try:
            names = [entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".json")]
        except OSError:
            return
        for path in map(self.folder.joinpath, names):
            if path not in self._seen:
                self._read(path)

    def _read(self, path: Path) -> None:
        self._seen.add(path)
        try:
            record = read(path)
            if not isinstance(record, Record) or not self._distinct.is_new(path, record):
                return
        except StoreError:
            return
        self.add(record, path)

    def add(self, record: Record, path: Path) -> None:
        """Count a record that was written just now."""
        self._seen.add(path)
        self._count(path, {name: FACTS[name](record) for name in _FACTS})

    def last(self, keys: Iterable[str], but: Collection[str] = (), saved: bool = False) -> Finished | None:
        """The newest record that makes a run done; None where it is to be run.

        Args:
            keys: of the run: that of this kind of machine, and in a study the one that it has anywhere.
            but: statuses of former records that do not make it so.
            saved: whether its parameters have to be beside it.
        """
        found = (each for key in keys for each in self._by_key.get(key, ()))
        newest = max(found, key=self._place, default=None)
        if newest is None or newest.status in NEVER_DONE or (saved and not newest.saved):
            return None
        return None if newest.status in but and newest.id in self._former else newest

    def _place(self, one: Finished) -> tuple[bool, datetime, str]:
        """Where it stands among the records of a run: what came since is the newest, even if a clock jumped back."""
        return one.id not in self._former, one.created, one.id

    def seconds(self) -> dict[str, list[float]]:
        """By shape, what the finished runs took."""
        each_once = {each.id: each for of in self._by_key.values() for each in of}
        found: dict[str, list[float]] = {}
        for each in each_once.values():
            if each.seconds is not None:
                found.setdefault(each.shape, []).append(each.seconds)
        return found
