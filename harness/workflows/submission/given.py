"""What is handed in: files of records, read once, and what the repository knows of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from harness.errors import UsageError
from harness.machine.history import History
from harness.records.base import Sealed
from harness.records.claim import ClaimRecord
from harness.records.kinds import about
from harness.records.listing import ENDING
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import AlteredRecord, StoreError, contents, files, parsed
from harness.specs.run import RunSpec

#: Where the studies of the repository are.
STUDIES: Final = "results/studies"
#: A study's file, beside the records of its runs.
STUDY_ENDING: Final = ".toml"


@dataclass(frozen=True)
class Handed:
    """A record as it was handed in.

    Attributes:
        path: of its file.
        content: the file's bytes.
        record: as it reads today; None where it does not.
        digest: its own, as it stands in the file.
        problem: why it does not read.
        altered: whether that is because it was changed after it was written.
    """

    path: Path
    content: bytes = field(repr=False)
    record: Sealed | None = None
    digest: str = ""
    problem: str = ""
    altered: bool = False

    @property
    def name(self) -> str:
        """The file's."""
        return self.path.name


@dataclass(frozen=True)
class Submission:
    """Records of one machine, which are to lie in one folder.

    Attributes:
        folder: in which they are, or will be.
        handed: the files, in the order of their names; those that lie in the folder already among them.
        others: files in the folder that are neither records nor studies.
        studies: files of studies that may be theirs.
        history: of the repository that they are for; None where there is none.
        specs_of: the specs that a record's command leads to. Raises UsageError.
        here: whether they were made by this user on this machine, whose names are known.
    """

    folder: Path
    handed: Sequence[Handed]
    specs_of: Callable[[str], list[RunSpec]]
    others: Sequence[Path] = ()
    studies: Sequence[Path] = ()
    history: History | None = None
    here: bool = False

    @cached_property
    def read(self) -> list[tuple[Handed, Sealed]]:
        """Those that read, of whatever kind."""
        return [(each, each.record) for each in self.handed if each.record is not None]

    @cached_property
    def runs(self) -> list[tuple[Handed, Record]]:
        """The runs."""
        return [(each, record) for each, record in self.read if isinstance(record, Record)]

    @cached_property
    def contests(self) -> list[tuple[Handed, SpeedRecord]]:
        """The speed contests."""
        return [(each, record) for each, record in self.read if isinstance(record, SpeedRecord)]

    @cached_property
    def claims(self) -> list[tuple[Handed, ClaimRecord]]:
        """The verdicts on claims."""
        return [(each, record) for each, record in self.read if isinstance(record, ClaimRecord)]

    @cached_property
    def within(self) -> str | None:
        """The folder's path in the repository that it lies in; None where it lies in none."""
        folder = self.folder.resolve()
        root = next((each for each in folder.parents if (each / ".git").exists()), None)
        return None if root is None else folder.relative_to(root).as_posix()


def handed(paths: Iterable[Path]) -> Iterator[Handed]:
    """Each file, read as a record or not."""
    for path in paths:
        content = b""
        try:
            content = contents(path, "record")
            record, digest = parsed(content, path.name)
        except AlteredRecord as error:
            yield Handed(path, content, problem=_without_name(error, path), altered=True)
        except StoreError as error:
            yield Handed(path, content, problem=_without_name(error, path))
        except OSError as error:
            yield Handed(path, content, problem=str(error.strerror))
        else:
            yield Handed(path, content, record, digest)


def _without_name(error: StoreError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")


def submission_in(
    folder: Path, specs_of: Callable[[str], list[RunSpec]], history: History | None, studies: Sequence[Path]
) -> Submission:
    """What lies in a machine's folder.

    Args:
        studies: files of studies that the repository has.

    Raises:
        UsageError: it is no folder, or its files are in folders below it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; check-submission takes a machine's, as in results/published/MACHINE")
    found = sorted(folder.iterdir())
    plain = [path for path in found if not path.is_symlink()]  # what a link leads to is not what is handed in
    records = [path for path in plain if path.name.endswith(ENDING)]
    theirs = [path for path in plain if path.name.endswith(STUDY_ENDING)]
    others = [path for path in found if path not in records and path not in theirs]
    if not records and any(path.is_dir() for path in others):
        names = ", ".join(str(path) for path in others if path.is_dir())
        raise UsageError(f"{folder} holds folders: name a machine's ({names[:300]})")
    return Submission(
        folder, list(handed(records)), specs_of, others, [*theirs, *studies], history,
    )  # fmt: skip


def records_in(places: Sequence[Path]) -> list[Handed]:
    """The records in folders, packs and single files, copies of one file only once.

    Raises:
        UsageError: a place cannot be read.
    """
    problems: list[str] = []
    found = list(handed(files(places, problems)))
    if problems:
        raise UsageError(problems[0])
    distinct: dict[bytes, Handed] = {}
    for each in found:
        distinct.setdefault(each.content or os.fsencode(each.path), each)
    return list(distinct.values())


def what(record: Sealed) -> str:
    """The kind of a record in words."""
    return about(record).what
