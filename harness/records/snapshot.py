"""The records of some places as columns, which an index keeps, so that only new and changed files are parsed again.

An index is never trusted over the files: a file counts as read only while its path, size, times and number on the disk
are as they were, and other code than computed the values has an index of its own. Deleting it is always safe, and where
it cannot be kept, each call makes one in memory.
"""

from __future__ import annotations

import sqlite3
import sys
import time
import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from harness.records.index import FILES, Damaged, Index, Layout, folder
from harness.records.listing import Listed, listed
from harness.records.store import StoreError, read, same

#: A file written this recently may be written again without a change of its times: they count in ticks of the kernel.
UNSETTLED_NS: Final = 2_000_000_000
#: In the stamp of such a file, before the moment at which its reader began.
_AT: Final = " @"


class _Columns(dict[str, list[Any]]):
    """Columns by name. Their snapshot reads those that are missing."""

    def __init__(self, of: Snapshot) -> None:
        self._of = weakref.ref(of)  # a cycle would keep the file open

    def __missing__(self, name: str) -> list[Any]:
        if (of := self._of()) is None:
            raise KeyError(name)
        of.fetch([name])
        return self[name]


class Snapshot:
    """The records of some places, copies only once, in the order of their making: columns of what is kept of them.

    Attributes:
        paths: of the records' files, as they were listed; seals: their digests there; seal_of: likewise, by id.
        problems: a line for each file that is no record, or another one under an id that one has already.
        notes: what was wrong with the index itself.
    """

    def __init__(self, places: Sequence[Path], layout: Layout) -> None:
        self.layout = layout
        self.notes: list[str] = []
        self.problems: list[str] = []
        self._files = list(listed(places, self.problems))
        #: By name, a value for each record; what is missing is read.
        self.columns = _Columns(self)
        #: The file that was read last for all of its record, and that record.
        self.last: tuple[str, Any] | None = None
        self._index, rows = self._read()
        self.paths: list[str] = []
        self.kinds: list[str] = []
        self.seals: list[str] = []
        self.seal_of: dict[str, str] = {}
        self._ids: list[int] = []
        self._keys: list[bytes] = []
        self._order(rows)

    def __len__(self) -> int:
        return len(self.paths)

    def __del__(self) -> None:
        if hasattr(self, "_index"):
            self._index.close()

    def fetch(self, names: Iterable[str]) -> None:
        """Read the columns of these names at once, which is faster than one after the other.

        Raises:
            KeyError: no value is kept under a name.
        """
        missing = [name for name in dict.fromkeys(names) if name not in self.columns]
        if unknown := set(missing).difference(self.layout.names):
            raise KeyError(*sorted(unknown))
        if missing:
            found = self._attempt(lambda: self._index.columns(missing, self._ids))
            self.columns.update(zip(missing, found, strict=True))

    def curve(self, place: int) -> bytes | None:
        """The packed evaluations of a record."""
        found: bytes | None = self._attempt(lambda: self._index.curve(self._ids[place]))
        return found

    def intervals(self) -> dict[bytes, tuple[float, float]]:
        """Intervals that were computed before, by a digest of what they are of."""
        found: dict[bytes, tuple[float, float]] = self._attempt(lambda: self._index.intervals())
        return found

    def add_intervals(self, new: Mapping[bytes, tuple[float, float]]) -> None:
        """Keep these too, where that is possible."""
        if new and self._index.file is not None:
            with suppress(Damaged, OSError, sqlite3.Error):  # another connection: this one sees the files as they were
                index = Index(self.layout, self._index.file)
                index.add_intervals(new)
                index.close()

    def _attempt(self, what: Callable[[], Any]) -> Any:
        """What ``what`` gives; where the index turns out to be damaged only now, from a new one."""
        try:
            return what()
        except (Damaged, sqlite3.Error):
            self._discard(self._index, self._index.file)
            self._index, rows = self._read()
            self._ids = [rows[key][0] for key in self._keys]
            return what()

    def _read(self) -> tuple[Index, dict[bytes, tuple[Any, ...]]]:
        """An index that has every file as it is now, and the rows of all."""
        place = folder()
        file = place / f"records-{self.layout.digest[:16]}.sqlite" if place else None
        for _ in range(2 if file else 0):
            index = None
            try:
                index = Index(self.layout, file)
                return index, self._brought_up_to_date(index)
            except Damaged:
                self._discard(index, file)
            except (OSError, sqlite3.Error):
                if index:
                    index.close()
                break  # a folder that is read-only or full, or a writer that does not end
        index = Index(self.layout, None)
        return index, self._brought_up_to_date(index)

    def _discard(self, index: Index | None, file: Path | None) -> None:
        """Delete an index that is damaged, and note it once."""
        if index is not None:
            index.close()
        if file is None:
            return
        if not self.notes:
            self.notes.append(f"the index {file} was damaged; it is made anew from the records")
        for end in FILES:
            with suppress(OSError):
                Path(f"{file}{end}").unlink(missing_ok=True)

    def _brought_up_to_date(self, index: Index) -> dict[bytes, tuple[Any, ...]]:
        """Parse what is new or changed; the rows of all files, which stay as they are for this reader.

        Raises:
            sqlite3.OperationalError: another process changes them again and again.
        """
        began_ns = time.time_ns()
        wanted: dict[bytes, tuple[str, str]] = {}
        for each in self._files:
            wanted[each.key] = (each.path, _stamp(each, began_ns))
        for _ in range(4):
            index.begin()
            known = index.known(self._files)
            new = [
                (path, key, stamp)
                for key, (path, stamp) in wanted.items()
                if key not in known or not _holds(known[key][1], stamp)
            ]
            if not new:
                return known
            index.end()
            index.write(self.layout.rows([path for path, _, _ in new]), {path: (key, s) for path, key, s in new})
            if gone := self._gone(known, wanted):
                index.forget(gone)
        raise sqlite3.OperationalError("changed again and again")

    def _gone(self, known: Mapping[bytes, tuple[Any, ...]], wanted: Mapping[bytes, Any]) -> list[int]:
        """Files that were in a folder of these and are not any more."""
        folders = sorted({each.folder for each in self._files if each.folder})
        ids = []
        for key, row in known.items():
            if key in wanted:
                continue
            at = bisect_left(folders, key)
            if at and key.startswith(folders[at - 1]):
                ids.append(row[0])
        return ids

    def _order(self, rows: Mapping[bytes, tuple[Any, ...]]) -> None:
        """Find copies and clashes in the order of the files, as ``Distinct`` does, and put the records in theirs."""
        seen: dict[str, tuple[str, str]] = {}
        found: list[tuple[int, str, str, str, int, bytes, str]] = []
        for each in self._files:
            number, _, problem, kind, identity, seal, moment = rows[each.key]
            if problem is not None:
                self.problems.append(f"{each.path}: {problem}")
            elif identity not in seen:
                seen[identity] = each.path, seal
                found.append((moment, identity, each.path, kind, number, each.key, seal))
            else:
                first, first_seal = seen[identity]
                if seal != first_seal and not _equal(first, each.path):
                    why = f"another record than {first}, under the same id, {identity}"
                    self.problems.append(f"{each.path}: {why}")
        self.seal_of = {identity: seal for identity, (_, seal) in seen.items()}
        found.sort()
        for _, _, path, kind, number, key, seal in found:
            self.seals.append(seal)
            self.paths.append(path)
            self.kinds.append(sys.intern(kind))
            self._ids.append(number)
            self._keys.append(key)


def _equal(first: str, second: str) -> bool:
    """Whether two files hold one record, written differently."""
    try:
        return same(Path(first), read(Path(second)))
    except StoreError:
        return False


def _stamp(file: Listed, began_ns: int) -> str:
    """What a file's content cannot change without; of one that it may, with when this reader began to look at it."""
    found = file.found()
    if found is None:
        return f"{_AT}{began_ns}"
    settled = max(found.changed_ns) < time.time_ns() - UNSETTLED_NS
    return found.text if settled else f"{found.text}{_AT}{began_ns}"


def _holds(kept: str, wanted: str) -> bool:
    """Whether what was parsed under one stamp may stand for the file under another.

    Of a file that is not settled, what another reader has parsed since this one began is as new as what it would find.
    """
    kept_text, _, kept_ns = kept.partition(_AT)
    text, _, began_ns = wanted.partition(_AT)
    return kept == wanted or (kept_text == text and bool(kept_ns) and bool(began_ns) and int(kept_ns) >= int(began_ns))
