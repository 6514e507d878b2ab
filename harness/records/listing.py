"""Which files hold the records of some places: folders, their subfolders, packs and single files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from harness.records.packs import PackError, is_pack, members

#: Of a record's file.
ENDING: Final = ".json"
#: In a folder that ``harness site`` wrote: its records are copies, and none are looked for there.
SITE: Final = "made-by-harness-site.txt"
#: Far more than any record needs: a larger file is not read into memory.
LARGEST_BYTES: Final = 64 * 2**20


#: Times of what cannot change without its stamp: each content in a pack has its CRC there.
NEVER: Final = (0, 0)


class Stamp(NamedTuple):
    """What tells whether a file is as it was.

    Attributes:
        text: size, times and number on the disk.
        changed_ns: when its content and when its entry changed, in nanoseconds since 1970.
    """

    text: str
    changed_ns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that should hold a record.

    Attributes:
        path: as the user named it, or its folder.
        key: where it is, whatever folder is the current one.
        folder: the key of the folder or pack in which it was found, with a separator; empty where it was named itself.
        packed: the stamp of one in a pack.
    """

    path: str
    key: bytes
    folder: bytes = b""
    packed: Stamp | None = None

    def found(self) -> Stamp | None:
        """None where it is no regular file, or cannot be looked at."""
        if self.packed is not None:
            return self.packed
        try:
            seen = os.stat(self.path)  # noqa: PTH116 - a path of each of very many files takes as long again
        except (OSError, ValueError):
            return None
        return stamp(seen) if stat.S_ISREG(seen.st_mode) else None


def stamp(seen: os.stat_result) -> Stamp:
    """Of a file on the disk."""
    times = seen.st_mtime_ns, seen.st_ctime_ns
    return Stamp(f"{seen.st_size} {times[0]} {times[1]} {seen.st_ino}", times)


def listed(places: Iterable[Path], problems: list[str] | None = None) -> Iterator[Listed]:
    """The JSON files in folders, their subfolders and packs, and single files as named, whether they exist or not.

    Args:
        problems: gets a line for each folder or pack that cannot be read.
    """
    problems = [] if problems is None else problems
    for place in places:
        key = os.fsencode(os.path.realpath(place)) if _sound(place) else os.fsencode(place)
        if _is_folder(place):
            inside = key.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
            prefix = "" if str(place) == os.curdir else f"{place}{os.sep}".replace(2 * os.sep, os.sep)
            for name in _walk(str(place), "", problems):
                yield Listed(prefix + name, inside + os.fsencode(name), inside)
        elif is_pack(place):
            yield from _packed(place, key + os.fsencode(os.sep), problems)
        else:
            yield Listed(str(place), key)


def _packed(pack: Path, inside: bytes, problems: list[str]) -> Iterator[Listed]:
    """The records' files in a pack; what else is in it is named."""
    try:
        whole = stamp(pack.stat())
        found, others = members(pack, ENDING, LARGEST_BYTES)
    except PackError as error:
        problems.append(str(error))
        return
    except OSError as error:
        problems.append(f"{pack}: {error.strerror}")
        return
    problems += [f"{pack}{os.sep}{name}: no record's file, which ends in {ENDING}" for name in others]
    for each in found:
        text = f"{whole.text} {each.size} {each.crc}"
        name = each.name.replace("/", os.sep)
        yield Listed(
            f"{pack}{os.sep}{name}", inside + os.fsencode(name), inside, Stamp(text, NEVER)
        )  # fmt: skip


def _walk(folder: str, within: str, problems: list[str]) -> Iterator[str]:
    """Names of files below ``folder``, in the order of their parts; links to folders are not followed."""
    try:
        with os.scandir(f"{folder}{os.sep}{within}") as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(f"{Path(folder, within)}: {error.strerror}")
        return
    if any(entry.name == SITE for entry in found):
        return
    for entry in found:
        name = f"{within}{entry.name}"
        if entry.name.endswith(ENDING):
            yield name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, f"{name}{os.sep}", problems)


def _sound(place: Path) -> bool:
    """Whether the system takes it for a path at all."""
    try:
        os.path.realpath(place)
    except (OSError, ValueError):
        return False
    return True


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):  # a name that is too long, or in a folder that is closed: reading it says which
        return False
