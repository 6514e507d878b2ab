"""The index of records: what was read from their files before, so that only new and changed ones are parsed again.

A SQLite file in the user's cache folder. It is never trusted over the files: a file counts as read only while its path,
size, times and number on the disk are as they were, and other code than computed the values has an index of its own.
Deleting it is always safe, and where it cannot be kept, each call makes one in memory.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import entry_points
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from platformdirs import user_cache_path

from harness.machine import software
from harness.records.listing import Listed, listed
from harness.records.store import StoreError, read, same

#: The folder to keep the index in, in place of one in the user's cache; where it is empty, none is kept.
FOLDER: Final = "HARNESS_INDEX"
#: Of the tables below.
LAYOUT: Final = 1
Kind = Literal["", "boolean", "time", "shared"]
#: A file written this recently may be written again without a change of its times: they count in ticks of the kernel.
UNSETTLED_NS: Final = 2_000_000_000
#: In the stamp of such a file, before the moment at which its reader began.
_AT: Final = " @"
#: Seconds that a reader waits for another that writes.
PATIENCE_S: Final = 20.0
#: Rows of one transaction: another reader waits for no more.
BATCH: Final = 1000
#: Files up to which each is looked up; beyond, all of their folder are.
FEW: Final = 200
#: Endings of the files that SQLite makes of one.
_FILES: Final = ("", "-wal", "-shm")
#: Days after which an index that no code has used is deleted.
UNUSED_DAYS: Final = 30


class Row(NamedTuple):
    """What the index keeps of one file.

    Attributes:
        path: as it was listed.
        problem: why it holds no record, without the file's name; then all else is empty.
        identity, seal: the record's id and digest.
        moment: when it was made, in microseconds since 1970.
        values: in the order of ``Layout.names``: None, numbers, texts, truth values and times.
        curve: the evaluations, packed; None without.
    """

    path: str
    problem: str | None = None
    kind: str | None = None
    identity: str | None = None
    seal: str | None = None
    moment: int | None = None
    values: Sequence[Any] = ()
    curve: bytes | None = None


@dataclass(frozen=True)
class Layout:
    """Which values are kept of each record, and how they come from files.

    Attributes:
        names: of the values.
        kinds: of those that SQLite does not have as they are, and texts that many records share.
        rows: reads files, in any order, and gives the row of each.
    """

    names: Sequence[str]
    kinds: Mapping[str, Kind]
    rows: Callable[[Sequence[str]], Iterable[Row]]

    @property
    def digest(self) -> str:
        """Of all that decides a value besides the record: this project's code, plug-ins, the names."""
        plugins = sorted(
            f"{group} {each.name} {each.value} {each.dist.version if each.dist else ''}"
            for group in ("harness.tasks", "harness.backends")
            for each in entry_points(group=group)
        )
        parts = [str(LAYOUT), *software.sources().values(), *plugins, *self.names]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def folder() -> Path | None:
    """Where the index is kept; None where it is not."""
    named = os.environ.get(FOLDER)
    return user_cache_path("harness") / "index" if named is None else Path(named) if named else None


class Damaged(Exception):
    """The index is no database, or not this one."""


class Index:
    """The database: on disk, or in memory where ``file`` is None.

    Raises:
        Damaged: from its methods, where it is not what it should be.
        OSError, sqlite3.Error: where it cannot be used.
    """

    def __init__(self, layout: Layout, file: Path | None) -> None:
        self.layout, self.file = layout, file
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                _sweep(file.parent)
        self._base = sqlite3.connect(
            file or ":memory:", timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        with self.whole():
            if file is not None:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB UNIQUE, stamp TEXT,"
                " problem TEXT, kind TEXT, identity TEXT, seal TEXT, moment INTEGER)"
            )
            columns = ", ".join(f'"{name}"' for name in layout.names)
            self._base.execute(f"CREATE TABLE IF NOT EXISTS kept (file INTEGER PRIMARY KEY, {columns})")
            self._base.execute("CREATE TABLE IF NOT EXISTS texts (id INTEGER PRIMARY KEY, text TEXT UNIQUE)")
            self._base.execute("CREATE TABLE IF NOT EXISTS intervals (key BLOB PRIMARY KEY, low REAL, high REAL)")
            self._base.execute("CREATE TABLE IF NOT EXISTS curves (file INTEGER PRIMARY KEY, points BLOB)")
        self._texts: dict[str, int] = {}

    def whole(self) -> _Whole:
        """A block in which a damaged database is told apart from one that cannot be used now."""
        return _Whole()

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._base.close()

    def begin(self) -> None:
        """From here on, see the database as it is now, whatever others write."""
        with self.whole():
            self._base.execute("BEGIN")

    def end(self) -> None:
        """See what others have written."""
        if self._base.in_transaction:
            self._base.execute("ROLLBACK")

    def known(self, files: Sequence[Listed]) -> dict[bytes, tuple[Any, ...]]:
        """By key, ``(id, stamp, problem, kind, identity, seal, moment)`` of these files, and perhaps of others."""
        what = "path, id, stamp, problem, kind, identity, seal, moment"
        found: dict[bytes, tuple[Any, ...]] = {}
        with self.whole():
            if len(files) <= FEW:
                for each in files:
                    for row in self._base.execute(f"SELECT {what} FROM files WHERE path = ?", (each.key,)):
                        found[row[0]] = row[1:]
                return found
            keys = [each.key for each in files]
            between = (min(keys), max(keys))
            for row in self._base.execute(f"SELECT {what} FROM files WHERE path BETWEEN ? AND ?", between):
                found[row[0]] = row[1:]
        return found

    def write(self, rows: Iterable[Row], files: Mapping[str, tuple[bytes, str]]) -> None:
        """Keep these rows, a batch at a time.

        Args:
            files: key and stamp of each path.
        """
        rows = iter(rows)
        while batch := list(islice(rows, BATCH)):
            with self.whole():
                self._base.execute("BEGIN IMMEDIATE")
                try:
                    for row in batch:
                        self._write(row, *files[row.path])
                except BaseException:
                    self._texts.clear()
                    self._base.execute("ROLLBACK")
                    raise
                self._base.execute("COMMIT")

    def _write(self, row: Row, key: bytes, stamp: str) -> None:
        self._forget("path = ?", key)
        at = self._base.execute(
            "INSERT INTO files (path, stamp, problem, kind, identity, seal, moment) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, stamp, row.problem, row.kind, row.identity, row.seal, row.moment),
        ).lastrowid
        if row.problem is None:
            values = [at, *map(self._encoded, self.layout.names, row.values)]
            self._base.execute(f"INSERT INTO kept VALUES ({', '.join('?' * len(values))})", values)
        if row.curve is not None:
            self._base.execute("INSERT INTO curves VALUES (?, ?)", (at, row.curve))

    def forget(self, ids: Sequence[int]) -> None:
        """Drop files that are gone."""
        with self.whole():
            self._base.execute("BEGIN IMMEDIATE")
            for each in ids:
                self._forget("id = ?", each)
            self._base.execute("COMMIT")

    def _forget(self, which: str, value: Any) -> None:
        for (old,) in self._base.execute(f"SELECT id FROM files WHERE {which}", (value,)).fetchall():
            for table, name in (("files", "id"), ("kept", "file"), ("curves", "file")):
                self._base.execute(f"DELETE FROM {table} WHERE {name} = ?", (old,))

    def _encoded(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        kind = self.layout.kinds.get(name, "")
        if kind == "time":
            return value.isoformat()
        if kind != "shared":
            return value
        if value not in self._texts:
            self._base.execute("INSERT OR IGNORE INTO texts (text) VALUES (?)", (value,))
            self._texts[value] = self._base.execute("SELECT id FROM texts WHERE text = ?", (value,)).fetchone()[0]
        return self._texts[value]

    def columns(self, names: Sequence[str], ids: Sequence[int]) -> list[list[Any]]:
        """The values of these names, each in the order of ``ids``; equal ones are one object."""
        if not ids:
            return [[] for _ in names]
        chosen = ", ".join(f'"{name}"' for name in names)
        wanted, between = set(ids), (min(ids), max(ids))
        numbers: list[int] = []
        columns: list[list[Any]] = [[] for _ in names]
        with self.whole():
            rows = self._base.execute(f"SELECT file, {chosen} FROM kept WHERE file BETWEEN ? AND ?", between)
            while batch := rows.fetchmany(BATCH):
                theirs = batch if len(wanted) > between[1] - between[0] else [row for row in batch if row[0] in wanted]
                for column, values in zip([numbers, *columns], zip(*theirs, strict=True), strict=False):
                    column.extend(values)
            if len(numbers) != len(wanted):
                raise Damaged
            place_of = {number: place for place, number in enumerate(numbers)}
            places = [place_of[number] for number in ids]
            in_order = itemgetter(*places) if len(places) > 1 else tuple
            return [self._decoded(name, in_order(column)) for name, column in zip(names, columns, strict=True)]

    def _decoded(self, name: str, values: Sequence[Any]) -> list[Any]:
        kind = self.layout.kinds.get(name, "")
        if kind == "" and not any(isinstance(value, str) for value in values[:100]):
            return list(values)
        decode: dict[Kind, Callable[[Any], Any]] = {
            "": str, "boolean": bool, "time": datetime.fromisoformat, "shared": self._text,
        }  # fmt: skip
        known = {value: decode[kind](value) for value in set(values) if value is not None}
        return list(map({**known, None: None}.__getitem__, values))

    def _text(self, number: int) -> str:
        row = self._base.execute("SELECT text FROM texts WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise Damaged
        text: str = row[0]
        return text

    def intervals(self) -> dict[bytes, tuple[float, float]]:
        """All intervals that were computed before, by the digest of what they are of."""
        with self.whole():
            return {key: (low, high) for key, low, high in self._base.execute("SELECT key, low, high FROM intervals")}

    def add_intervals(self, new: Mapping[bytes, tuple[float, float]]) -> None:
        """Keep these too."""
        rows = [(key, *ends) for key, ends in new.items()]
        with self.whole():
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany("INSERT OR IGNORE INTO intervals VALUES (?, ?, ?)", rows)
            self._base.execute("COMMIT")

    def curve(self, identity: int) -> bytes | None:
        """The packed evaluations of a file's record."""
        with self.whole():
            row = self._base.execute("SELECT points FROM curves WHERE file = ?", (identity,)).fetchone()
        return row[0] if row else None


class _Whole:
    """Turns what SQLite says of a file that is not a database, or has other tables, into ``Damaged``."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, sqlite3.DatabaseError):
            return
        if not isinstance(error, sqlite3.OperationalError) or "no such" in str(error) or "has no column" in str(error):
            raise Damaged from error


def _sweep(place: Path) -> None:
    """Delete indexes of other code that none has used for long."""
    for path in place.glob("records-*.sqlite"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > UNUSED_DAYS * 86_400:
                for end in _FILES:
                    Path(f"{path}{end}").unlink(missing_ok=True)


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
        paths: of the records' files, as they were listed.
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
        for end in _FILES:
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
        found: list[tuple[int, str, str, str, int, bytes]] = []
        for each in self._files:
            number, _, problem, kind, identity, seal, moment = rows[each.key]
            if problem is not None:
                self.problems.append(f"{each.path}: {problem}")
            elif identity not in seen:
                seen[identity] = each.path, seal
                found.append((moment, identity, each.path, kind, number, each.key))
            else:
                first, first_seal = seen[identity]
                if seal != first_seal and not _equal(first, each.path):
                    why = f"another record than {first}, under the same id, {identity}"
                    self.problems.append(f"{each.path}: {why}")
        found.sort()
        for _, _, path, kind, number, key in found:
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
