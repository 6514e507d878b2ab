"""Where records are kept: a folder of JSON files, each written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.records import packs
from harness.records.base import Sealed
from harness.records.claim import ClaimRecord
from harness.records.kinds import about, kind_of
from harness.records.listing import LARGEST_BYTES as LARGEST_BYTES
from harness.records.listing import listed
from harness.records.migrations import Altered, NotMigrated, to_current
from harness.records.run import Record
from harness.records.seal import digest
from harness.records.speed import SpeedRecord
from harness.records.verdict import VerdictRecord
from harness.records.whole import write_whole
from harness.specs.base import one_line

if TYPE_CHECKING:
    from harness.records.kept import Run
    from harness.records.snapshot import Snapshot

#: A record's id in a report's text; it cannot contain a path separator.
ID = re.compile(r"\b\d{8}T\d{6}Z-[A-Za-z0-9._-]{1,180}?-[0-9a-f]{8}\b")


class StoreError(RuntimeError):
    """The folder cannot take records, or a file is not one; the message names it."""


class AlteredRecord(StoreError):
    """The record's contents do not match its own digest; the message names the file."""


@dataclass
class Found:
    """Records read, one line for each file that is not one, and notes on what went otherwise than usual.

    ``index`` has the columns of the runs, where they come from one. Of each kind the records are in the order of their
    making. ``seals`` has, by id, the digest of every record as its file has it: a record that is brought to a newer
    schema has another one in memory.
    """

    records: Sequence[Run] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    speeds: list[SpeedRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    index: Snapshot | None = None
    verdicts: list[VerdictRecord] = field(default_factory=list)
    claims: list[ClaimRecord] = field(default_factory=list)
    seals: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> list[Record]:
        """The runs, each of them whole: an index reads it for that."""
        return [run if isinstance(run, Record) else run.record for run in self.records]

    def add(self, record: Sealed) -> None:
        """Put a record where those of its kind are; its seal is not noted."""
        getattr(self, about(record).held).append(record)


class Distinct:
    """Records by their ids: copies of one are one record, and two that share an id are a problem.

    What is held is where each was, not the record: a folder may have very many.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Path] = {}

    def is_new(self, path: Path, record: Sealed) -> bool:
        """Whether no record of this id came before; of a copy, False.

        Raises:
            StoreError: another record with this id came before; the message names both files.
        """
        if record.id not in self._seen:
            self._seen[record.id] = path
            return True
        first = self._seen[record.id]
        if not same(first, record):
            raise StoreError(f"{path}: another record than {first}, under the same id, {record.id}")
        return False


def same(path: Path, record: Sealed) -> bool:
    """Whether a file holds this record, in whatever layout."""
    try:
        return read(path) == record
    except StoreError:
        return False


class Store:
    """A folder of records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder and check that it can be written to, before any time is spent on a run.

        Raises:
            StoreError: the folder cannot be made or written to.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            instead = "name another with --results, or with results = … in a study's file"
            raise StoreError(f"cannot write results to {self.folder}: {error.strerror}; {instead}") from None

    def write(self, record: Sealed) -> Path:
        """Write ``record`` under its id: whole, or not at all.

        Raises:
            StoreError: the file could not be written; nothing of it is left in the folder, and
                the message says where the record was kept instead.
        """
        target = self.folder / f"{record.id}.json"
        text = record.model_dump_json(indent=1) + "\n"
        if len(text.encode()) > LARGEST_BYTES:  # planning refuses such sizes; this is for what it did not foresee
            why = f"larger than any record is read ({LARGEST_BYTES // 2**20} MiB)"
            raise StoreError(f"cannot write {target}: {why}; {_keep_elsewhere(target.name, text)}")
        try:
            write_whole(target, text)
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error.strerror}; {_keep_elsewhere(target.name, text)}") from None
        return target


def _keep_elsewhere(name: str, text: str) -> str:
    refuge = Path(tempfile.gettempdir()) / name
    try:
        write_whole(refuge, text)
    except OSError:
        return f"nor is there room elsewhere; the record is: {json.dumps(json.loads(text))}"
    return f"the record is kept in {refuge}"


def read(path: Path) -> Sealed:
    """The record in one file, of whatever kind.

    Raises:
        StoreError: the file is missing, too large, not JSON or not a record; the message says which, in one line.
        AlteredRecord: it was changed since it was written.
    """
    return sealed(path)[0]


def sealed(path: Path) -> tuple[Sealed, str]:
    """The record in one file, and its digest there; of schema 1, which had none, that of its contents. Raises as
    ``read``.
    """
    if packs.is_pack(path):
        raise StoreError(f"{path}: a pack of records; name one of them, as in {path / 'ID.json'}")
    try:
        content = contents(path, "record")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    return parsed(content, str(path))


def parsed(content: bytes, whence: str) -> tuple[Sealed, str]:
    """The record in a text, and its digest there, as ``sealed``.

    Args:
        whence: it comes, for the messages.

    Raises:
        StoreError, AlteredRecord: as ``read``.
    """
    try:
        document = _document(content)
        kind = kind_of(document)
        current = to_current(document, kind.current, kind.steps, kind.sealed_since)
        record = kind.model.model_validate_json(json.dumps(current))
        return record, str(document.get("digest") or digest(document))
    except Altered as error:
        raise AlteredRecord(f"{whence}: {error}") from None
    except NotMigrated as error:
        raise StoreError(f"{whence}: not a valid record: {error}") from None
    except ValidationError as error:
        raise StoreError(f"{whence}: not a valid record: {one_line(error)}") from None
    except (ValueError, RecursionError):
        raise StoreError(f"{whence}: not a valid record: a number out of range, or nested too deeply") from None


@contextmanager
def regular(path: Path, what: str, largest: int | None = None) -> Iterator[BufferedReader]:
    """A regular file, open for reading: a FIFO would not end, a device neither. It is opened before it is looked at, so
    that nothing can take its place in between.

    Args:
        what: it should be, for the message.
        largest: bytes that such a file may have; None for LARGEST_BYTES.

    Raises:
        StoreError: it is no regular file, or larger than any ``what``.
        OSError: it cannot be opened or read.
    """
    largest = LARGEST_BYTES if largest is None else largest
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path}: not a regular file")
        if found.st_size > largest:
            raise _too_large(path, what, largest)
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def contents(path: Path, what: str, largest: int | None = None) -> bytes:
    """The bytes of a file, as ``regular`` opens it, or of one in a pack; one that grows meanwhile is not read to its
    end either.
    """
    largest = LARGEST_BYTES if largest is None else largest
    if packed := packs.inside(path):
        try:
            return packs.content(*packed, largest)
        except packs.PackError as error:
            raise StoreError(str(error)) from None
    with regular(path, what, largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise _too_large(path, what, largest)
    return content


def _too_large(path: Path, what: str, largest: int) -> StoreError:
    return StoreError(f"{path}: larger than any {what} ({largest // 2**20:,} MiB), not read")


def _document(text: bytes) -> dict[str, Any]:
    """The JSON object in a file. Raises NotMigrated where it holds something else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise NotMigrated("not JSON") from None
    if not isinstance(document, dict):
        raise NotMigrated("not a JSON object")
    return document


def read_record(path: Path) -> Record:
    """The record of a run in one file.

    Raises:
        StoreError: as ``read``, and for a record of another kind.
    """
    record = read(path)
    if not isinstance(record, Record):
        raise StoreError(f"{path}: {about(record).what}, not of a run")
    return record


def files(places: Iterable[Path], problems: list[str] | None = None) -> Iterator[Path]:
    """The files of these places that should hold records: see ``harness.records.listing.listed``."""
    return (Path(each.path) for each in listed(places, problems))


def named_in(page: Path) -> Iterator[Path]:
    """The files of the records that a report names, each in the nearest folder above the page that has it, or that
    holds one that does.

    Raises:
        StoreError: the page cannot be read, or names no record.
    """
    try:
        names = list(dict.fromkeys(ID.findall(contents(page, "report").decode(errors="replace"))))
    except OSError as error:
        raise StoreError(f"{page}: {error.strerror}") from None
    if not names:
        raise StoreError(f"{page}: names no record, as a report of very many does; name their folder instead")
    folders = [page.parent, *list(page.resolve().parents)[1:3]]
    for name in names:
        places = [folder / f"{name}.json" for folder in folders]
        inside = (place for folder in folders for place in sorted(folder.glob(f"*/{name}.json")))
        yield next(chain((place for place in places if place.exists()), inside), places[-1])


def each_of(places: Iterable[Path], problems: list[str]) -> Iterator[tuple[Path, Sealed]]:
    """The records in folders, their subfolders and files, with their files and copies only once.

    A file that is not a record is named in ``problems``, and never fatal; so is another record under an id that one has
    already.
    """
    return ((path, record) for path, record, _ in each_sealed(places, problems))


def each_sealed(places: Iterable[Path], problems: list[str]) -> Iterator[tuple[Path, Sealed, str]]:
    """The same, with the digest that each has in its file."""
    distinct = Distinct()
    for path in files(places, problems):
        try:
            record, seal = sealed(path)
            if distinct.is_new(path, record):
                yield path, record, seal
        except StoreError as error:
            problems.append(str(error))


def read_all(places: Iterable[Path]) -> Found:
    """The records in folders, their subfolders and files as ``each_of`` gives them, in the order of their making."""
    found = Found()
    every: list[Sealed] = []
    for _, record, seal in each_sealed(places, found.problems):
        every.append(record)
        found.seals[record.id] = seal
    for record in sorted(every, key=lambda record: (record.created, record.id)):
        found.add(record)
    return found
