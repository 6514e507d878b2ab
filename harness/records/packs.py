"""Packs: the records of a folder in one compressed file, a ZIP archive that every reading command takes as a folder.

Each record is compressed for itself, so that one can be read without the others. The same files give the same bytes.
Nothing that an archive of a stranger's says is believed: see ``members``.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from harness.records.whole import whole

ENDING: Final = ".records.zip"
#: The first moment that an archive can name: when a record was made stands in it.
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
#: A regular file that its owner may write and all may read.
_MODE: Final = (stat.S_IFREG | 0o644) << 16
#: Names that need no closer look; each part of one begins with a letter or a digit.
_USUAL: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)
#: How many times as large as its share of the archive a member may be; a record is about 5 times as large.
MOST_TIMES: Final = 200
#: Members up to this size are let through whatever their share: they can do no harm.
HARMLESS_BYTES: Final = 2**20


class PackError(RuntimeError):
    """A file is no pack, a damaged one or a hostile one, or cannot be made; the message names it, in one line."""


class Member(NamedTuple):
    """A file in a pack: its name there, its size and its CRC-32."""

    name: str
    size: int
    crc: int


def is_pack(path: Path) -> bool:
    """Whether a path names a pack: a regular file whose name ends in .zip."""
    try:
        return path.suffix == ".zip" and path.is_file()
    except (OSError, ValueError):
        return False


def inside(path: Path) -> tuple[Path, str] | None:
    """The pack and the member's name, where a path leads into a pack, as in ``runs.records.zip/ID.json``."""
    if f".zip{os.sep}" not in str(path):
        return None
    for pack in path.parents:
        if is_pack(pack):
            return pack, path.relative_to(pack).as_posix()
    return None


def members(pack: Path, ending: str, largest: int) -> tuple[list[Member], list[str]]:
    """The records' files in a pack, in order of their names' parts, and the names of other files.

    Args:
        ending: of records' files.
        largest: bytes that one of them may have.

    Raises:
        PackError: no pack, or cut short; or a name that leaves the folder, a link, a member that is encrypted, there
            twice or too large, or members that share bytes of the archive.
        OSError: it cannot be read.
    """
    with _opened(pack) as archive:
        found = archive.infolist()
        if why := _unsound(found, pack.stat().st_size, ending, largest):
            raise PackError(f"{pack}: not read: {why}")
        records = [Member(each.filename, each.file_size, each.CRC) for each in found if each.filename.endswith(ending)]
        others = [each.filename for each in found if not each.filename.endswith((ending, "/"))]
    return sorted(records, key=lambda member: member.name.split("/")), others


def _unsound(found: Sequence[zipfile.ZipInfo], size: int, ending: str, largest: int) -> str | None:
    """Why an archive of so many bytes with these members cannot be a pack; None where it can."""
    for each in found:
        if why := _wrong(each, ending, largest):
            return f"{each.filename[:200]!r} {why}"
    files = {each.filename.casefold() for each in found}
    if len(files) < len(found):
        return "it holds two files of one name"
    if folders := {parent for name in files for parent in _folders(name)} & files:
        return f"{min(folders)[:200]!r} is a file and a folder"
    if sum(each.compress_size for each in found) > size:
        return "its files share bytes"
    return None


def _folders(name: str) -> Iterator[str]:
    """The folders that a member's name leads through."""
    while name := name.rstrip("/").rpartition("/")[0]:
        yield name


def _wrong(info: zipfile.ZipInfo, ending: str, largest: int) -> str | None:
    """Why a member cannot be one; None where it can."""
    if not _USUAL.fullmatch(info.filename) or info.orig_filename != info.filename:
        name = PurePosixPath(info.filename)
        if name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in info.filename or not name.parts:
            return "leads out of the folder"
        if info.orig_filename != info.filename or not info.filename.isprintable():
            return "is no name of a file"
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is no regular file"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in a way that packs are not"
    if info.filename.endswith(ending) and info.file_size > largest:
        return f"is larger than any record ({largest // 2**20:,} MiB)"
    if info.file_size > max(HARMLESS_BYTES, MOST_TIMES * info.compress_size):
        return "would be blown up to more than any record"
    return None


def content(pack: Path, name: str, largest: int) -> bytes:
    """The bytes of a member.

    Raises:
        PackError: there is none of that name, or its bytes are not what was packed.
        OSError: the pack cannot be read.
    """
    with _opened(pack) as archive:
        try:
            info = archive.getinfo(name)
        except KeyError:
            raise PackError(f"{pack}/{name}: no such file in the pack") from None
        if why := _wrong(info, "", largest):
            raise PackError(f"{pack}/{name}: not read: it {why}")
        try:
            with archive.open(info) as file:
                found = file.read(largest + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise PackError(f"{pack}/{name}: damaged: not the bytes that were packed") from None
    if len(found) != info.file_size:
        raise PackError(f"{pack}/{name}: damaged: not the bytes that were packed")
    return found


@contextmanager
def _opened(pack: Path) -> Iterator[zipfile.ZipFile]:
    seen = pack.stat()
    try:
        yield _archive(str(pack), (seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError):
        raise PackError(f"{pack}: not a pack of records, or one that was cut short") from None


@lru_cache(maxsize=2)
def _archive(pack: str, seen: tuple[int, ...]) -> zipfile.ZipFile:
    """The open archive; of a large one the list of members takes a second to read, and so it is kept."""
    return zipfile.ZipFile(pack)


def pack(files: Sequence[tuple[str, Path]], out: Path, ending: str, largest: int) -> None:
    """Write files into a pack: whole or not at all, the same bytes for the same files.

    Args:
        files: the name of each in the pack, with slashes, and where it is.
        ending, largest: as for ``members``, which reads what this writes.

    Raises:
        PackError: one cannot be read, is none that ``members`` would let through, or ``out`` cannot be written.
    """
    try:
        with whole(out) as temporary:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                for name, path in files:
                    info = zipfile.ZipInfo(name, _MOMENT)
                    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, _MODE
                    archive.writestr(info, _bytes(path))
            if why := _unsound(archive.infolist(), temporary.stat().st_size, ending, largest):
                raise PackError(f"{out}: not written: {why}")
    except OSError as error:
        raise PackError(f"cannot write {out}: {error.strerror}") from None
    except UnicodeEncodeError:
        raise PackError(f"cannot write {out}: a file's name is no text") from None


def _bytes(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PackError(f"{path}: not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise PackError(f"{path}: {error.strerror}") from None


def unpack(pack: Path, out: Path, ending: str, largest: int) -> tuple[int, list[str]]:
    """Write the records' files of a pack into a new folder: all of them, or none.

    Returns:
        How many there are, and the names of the other files, which are left out.

    Raises:
        PackError: as ``members`` and ``content``; or there is something in ``out``, or no room for it.
    """
    try:
        found, others = members(pack, ending, largest)
        if not found:
            raise PackError(f"{pack}: holds no records")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise PackError(f"{out} exists already; name another folder with --out")
        parent = out.absolute().parent
        parent.mkdir(parents=True, exist_ok=True)
        size = sum(member.size for member in found)
        if size > shutil.disk_usage(parent).free:
            raise PackError(f"cannot write {out}: the records take {size / 2**20:,.0f} MiB, more than is free there")
        making = Path(tempfile.mkdtemp(prefix=f".{out.name}-", suffix=".harness.tmp", dir=parent))
        try:
            for member in found:
                target = making / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content(pack, member.name, largest))
            making.chmod(0o777 & ~_umask())
            making.replace(out)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        raise PackError(f"cannot write {out}: {error.strerror}") from None
    return len(found), others


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
