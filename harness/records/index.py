"""The database of an index of records: a SQLite file in the user's cache folder, or one in memory.

It has a row for each file, with the stamp that the file had when it was parsed. What a stamp is, and when a row may
stand for its file, ``harness.records.snapshot`` says.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
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
from harness.records.listing import Listed

#: The folder to keep the index in, in place of one in the user's cache; where it is empty, none is kept.
FOLDER: Final = "HARNESS_INDEX"
#: Of the tables below.
LAYOUT: Final = 1
Kind = Literal["", "boolean", "time", "shared"]
#: Seconds that a reader waits for another that writes.
PATIENCE_S: Final = 20.0
#: Rows of one transaction: another reader waits for no more.
BATCH: Final = 1000
#: Files up to which each is looked up; beyond, all of their folder are.
FEW: Final = 200
#: Endings of the files that SQLite makes of one.
FILES: Final = ("", "-wal", "-shm")
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
                for end in FILES:
                    Path(f"{path}{end}").unlink(missing_ok=True)
