"""Pack the records of a folder into one compressed file, and unpack it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from harness.errors import UsageError
from harness.records.listing import ENDING, LARGEST_BYTES, listed
from harness.records.packs import ENDING as PACK
from harness.records.packs import PackError, is_pack
from harness.records.packs import pack as written
from harness.records.packs import unpack as unpacked
from harness.text import counted


class Packed(NamedTuple):
    """What was written, how many records there are, and what was left out, a line each."""

    path: Path
    records: int
    notes: list[str]


def pack(folder: Path, out: Path | None = None) -> Packed:
    """Write every JSON file of a folder and its subfolders, byte by byte as it is, into one compressed file.

    Args:
        out: the file; None for one of the folder's name beside it.

    Raises:
        UsageError: there is no such folder, nothing in it to pack, or a file that cannot be read; or ``out`` exists or
            cannot be written.
    """
    if is_pack(folder):
        raise UsageError(f"{folder} is a pack already; --unpack takes it apart")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: pack takes a folder of records")
    whole = folder.resolve()
    out = out or whole.with_name(f"{whole.name or 'records'}{PACK}")
    if out.suffix != ".zip":
        raise UsageError(f"--out {out}: a pack's name ends in {PACK}")
    if out.exists():
        raise UsageError(f"{out} exists already; name another file with --out")
    problems: list[str] = []
    names = [os.path.relpath(each.path, folder).replace(os.sep, "/") for each in listed([folder], problems)]
    if problems:
        raise UsageError(problems[0])
    if not names:
        raise UsageError(f"no records in {folder}")
    try:
        written([(name, folder / name) for name in names], out, ENDING, LARGEST_BYTES)
    except PackError as error:
        raise UsageError(str(error)) from None
    return Packed(out, len(names), _left_out(_others(folder)))


def _others(folder: Path) -> list[str]:
    """Files that are no records', hidden ones aside: those are of writers that were killed, and a study's leases."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    shown = (each for each in found if not any(part.startswith(".") for part in each.parts))
    return [each.name for each in shown if each.suffix != ENDING]


def _left_out(names: list[str]) -> list[str]:
    if not names:
        return []
    more = ", …" if len(names) > 1 else ""
    return [f"left out: {counted(len(names), 'file')} that do not end in {ENDING} ({sorted(names)[0]}{more})"]


def unpack(file: Path, out: Path | None = None) -> Packed:
    """Write the files of a pack into a new folder, byte by byte as they were packed.

    Args:
        out: the folder; None for one of the pack's name beside it.

    Raises:
        UsageError: it is no pack, was cut short, or holds what no pack does; or ``out`` exists or cannot be written.
    """
    if not is_pack(file):
        what = "there is no such file" if not file.exists() else f"a pack's name ends in {PACK}"
        raise UsageError(f"{file} is no pack: {what}")
    out = out or file.with_name(file.name.removesuffix(".zip").removesuffix(".records"))
    try:
        count, others = unpacked(file, out, ENDING, LARGEST_BYTES)
    except PackError as error:
        raise UsageError(str(error)) from None
    return Packed(out, count, _left_out(others))
