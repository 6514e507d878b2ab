"""Files and folders that are written whole or not at all, and what writers that were killed have left of theirs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Temporary files: hidden, named after the target, the writer's host and its process.
_OURS = re.compile(r"\..+\.(?P<host>[\w-]+)-\d+\.harness\.tmp", re.ASCII)
#: Of records, before the host was in the name and a lock on the file.
_FORMER = re.compile(r"\.\d{8}T\d{6}Z-.+-[0-9a-f]{8}\.json\.\d+\.tmp", re.ASCII)
_HOST = re.sub(r"[^\w-]", "_", platform.node(), flags=re.ASCII) or "unknown"
#: Writing takes milliseconds: a day later the writer is gone, whatever its host was.
OLD_S = 86_400.0


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A temporary file beside ``target``, to be written by its path; it becomes ``target`` if the block ends well.

    Its contents are on the disk before it has that name. What is no plain file, such as a pipe, is written to directly.
    First the folder is swept: see ``sweep``.

    Raises:
        OSError: it cannot be written; ``target`` is as it was.
    """
    target = Path(os.path.realpath(target))  # which a loop of links does not end with an error
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        yield target
        return
    sweep(target.parent)
    temporary = target.with_name(f".{target.name}.{_HOST}-{os.getpid()}.harness.tmp")
    try:
        with _locked(temporary) as file:
            yield temporary
            os.fsync(file.fileno())
            temporary.replace(target)
    except OSError as error:
        if error.filename == str(temporary):
            error.filename = str(target)  # the name that the user knows
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path, mark: str) -> Iterator[Path]:
    """A temporary folder beside ``target``, which takes its place if the block ends well.

    What is at ``target`` goes with all that is in it: a caller looks before what it is.

    Args:
        mark: the name of a file that the folder has from the start; its lock is held, so that ``sweep`` spares it.

    Raises:
        OSError: it cannot be written; ``target`` is as it was.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    ending = f"{_HOST}-{os.getpid()}.harness.tmp"
    temporary, former = target.with_name(f".{target.name}.{ending}"), target.with_name(f".{target.name}.old.{ending}")
    try:
        temporary.mkdir()
        with _locked(temporary / mark):
            yield temporary
            if target.exists():
                target.rename(former)
            try:
                temporary.rename(target)
            except OSError:
                former.rename(target)
                raise
    finally:
        for folder in (temporary, former):
            shutil.rmtree(folder, ignore_errors=True)


def write_whole(target: Path, content: str | bytes) -> None:
    """Write bytes, or text in UTF-8, its line ends as they are: whole, or not at all. Raises OSError."""
    with whole(target) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def scratch(folder: Path, name: str) -> Iterator[Path]:
    """An empty temporary file in ``folder``, through which another process hands something over; then it is deleted.

    It is one of those that ``sweep`` deletes where this process is killed. First the folder is swept.

    Raises:
        OSError: it cannot be made.
    """
    folder = folder.resolve()
    sweep(folder)
    temporary = folder / f".{name}-{uuid.uuid4().hex[:8]}.{_HOST}-{os.getpid()}.harness.tmp"
    try:
        with _locked(temporary):
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete the temporary files of writers that are gone.

    A writer holds a lock on its file, and the kernel releases it when the writer ends, however it does: no process that
    has got the writer's number since is mistaken for it. A file is deleted if its lock is free and it was written on
    this host, or a day ago: on a shared folder the locks of other hosts may not show here. Where files have no locks,
    nothing is deleted.
    """
    with suppress(OSError):
        for path in folder.iterdir():
            ours = _OURS.fullmatch(path.name)
            if ours or _FORMER.fullmatch(path.name):
                with suppress(OSError):
                    _sweep(path, at_once=ours is not None and ours["host"] == _HOST)


def _sweep(path: Path, at_once: bool) -> None:
    if fcntl is None or not (at_once or time.time() - path.stat().st_mtime > OLD_S):
        return
    if path.is_dir():
        # a folder's writer holds the lock of the one file that it has from the start: see ``whole_folder``
        marks = list(path.glob("*.txt"))
        if not marks and time.time() - path.stat().st_mtime <= OLD_S:
            return  # its writer may be about to make it
        for mark in marks:
            with mark.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
        return
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """Make the file and hold its lock."""
    while True:
        with path.open("xb") as file:
            if fcntl is not None:
                with suppress(OSError):  # no locks here
                    fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():  # else it was swept before it was locked
                yield file
                return
