"""Leases: who works on which run of a study, in files of a folder that several machines may share.

A lease is a file that is made only if it does not exist yet, which file systems decide, shared ones too. Its owner
holds a lock on it and touches it again and again. It is over when its owner gives it back, when the lock is free
(which shows on the owner's machine alone, at once, however the owner ended), or when nobody has touched it for
``STALE_S`` of the observer's own monotonic clock: no two machines need the same time, and a clock that jumps back
changes nothing.

Taking over deletes nothing: the next owner makes the file of the next number, so that of several who try, one does. The
files of a run are therefore its tries, and all of them are deleted when its record is written.
"""

from __future__ import annotations

import json
import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from harness.machine.personal import alias
from harness.records.run import Try

try:
    import fcntl
except ImportError:  # Windows, where no worker runs
    fcntl = None  # type: ignore[assignment]

#: Seconds between two touches, and seconds without one after which a lease is over. Network file systems may show a
#: change a minute late.
BEAT_S: Final = 15.0
STALE_S: Final = 120.0
_NAME = re.compile(r"(?P<key>[0-9a-f]{64})\.(?P<number>\d{1,6})\.lease", re.ASCII)
Clock = Callable[[], float]


def this_kernel() -> str:
    """What tells apart the systems that see each other's locks: since its start, one kernel."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


@dataclass(frozen=True)
class Owner:
    """Who holds a lease.

    Attributes:
        node: the machine's name; pid: the process; kernel: see ``this_kernel``.
        label: the run in words, for people.
        since: when it began, as ISO 8601.
        fault: why the owner gave up, which ends the lease; None while it holds it.
        locked: whether it could lock the file; where files have no locks, touches alone say that it is at work.
    """

    node: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)
    kernel: str = field(default_factory=this_kernel)
    label: str = ""
    since: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    fault: str | None = None
    locked: bool = True

    @classmethod
    def read(cls, path: Path) -> Owner:
        """From a lease's file; of one that cannot be understood, an unknown owner."""
        try:
            found = {"locked": True, **json.loads(path.read_bytes())}
            owner = cls(**{name: found[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return _UNKNOWN
        words = (owner.node, owner.kernel, owner.label, owner.since, owner.fault or "")
        sound = all(isinstance(word, str) for word in words) and isinstance(owner.locked, bool)
        return owner if sound else _UNKNOWN


_UNKNOWN: Final = Owner(node="unknown", pid=0, kernel="", since="")


@dataclass
class Lease:
    """A lease that this process holds; ``tries`` are those that came before.

    Raises:
        OSError: from its methods, where the folder cannot be written to.
    """

    key: str
    path: Path
    tries: list[Try]
    _file: BinaryIO
    _owner: Owner

    def touch(self) -> None:
        """Say that the owner is at work."""
        with suppress(FileNotFoundError):
            os.utime(self.path)

    @property
    def lost(self) -> bool:
        """Whether another has taken it over, as this process seemed dead: it may have been suspended."""
        newer = [number for number, _ in _of(self.path.parent, self.key)]
        return not newer or max(newer) > _number(self.path)

    @property
    def deleted(self) -> bool:
        """Whether there is neither it nor another's: one has finished the run, or somebody has tidied up."""
        return not _of(self.path.parent, self.key)

    def finish(self) -> None:
        """Delete it and its tries: the record is written, or the run is another's, whose lease stays."""
        for number, path in _of(self.path.parent, self.key):
            if number <= _number(self.path):
                path.unlink(missing_ok=True)
        self.let_go()

    def give_up(self, fault: str) -> None:
        """End it without a record, saying why: anyone may try the run again at once."""
        content = json.dumps(asdict(self._owner) | {"fault": fault})
        with suppress(OSError):  # without room, the free lock says enough
            self._file.seek(0)
            self._file.write(content.encode())
            self._file.truncate()
            self._file.flush()
        self.let_go()

    def let_go(self) -> None:
        """Unlock it and do nothing else: another has taken it over."""
        with suppress(OSError):  # what was not written for want of room is tried again here
            self._file.close()


class Leases:
    """The leases in a folder, as one process sees them.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, folder: Path, clock: Clock = time.monotonic, stale_s: float = STALE_S) -> None:
        self.folder, self._clock, self._stale_s = folder, clock, stale_s
        #: By file, when it was last touched, and when that was seen first by this process's own clock.
        self._seen: dict[Path, tuple[int, float]] = {}
        self._touched: set[Path] = set()

    def take(self, key: str, label: str = "") -> Lease | None:
        """The lease of a run; None where another holds it.

        Raises:
            OSError: the folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        former = _of(self.folder, key)
        if any(self.is_held(path) for _, path in former):
            return None
        number = max((number for number, _ in former), default=-1) + 1
        tries = [found for _, path in former if (found := _try(path)) is not None]
        target = self.folder / f"{key}.{number}.lease"
        made = _made(target, Owner(label=label))
        return None if made is None else Lease(key, target, tries, *made)

    def held(self) -> dict[str, Owner]:
        """Who holds a lease now, by key."""
        found: dict[str, Owner] = {}
        for path in _files(self.folder):
            if self.is_held(path):
                found[path.name.partition(".")[0]] = Owner.read(path)
        return found

    def is_sure(self, key: str) -> bool:
        """Whether the one who holds a run's lease is known to be at work, by a lock or by a touch that was seen."""
        return any(self.is_held(path) and self._at_work(path) for _, path in _of(self.folder, key))

    def _at_work(self, path: Path) -> bool:
        return path in self._touched or _is_locked(path, Owner.read(path)) is True

    def is_held(self, path: Path) -> bool:
        """Whether the lease in this file is not over."""
        owner = Owner.read(path)
        if owner.fault is not None:
            return False
        if (locked := _is_locked(path, owner)) is not None:
            return locked
        try:
            touched = path.stat().st_mtime_ns
        except OSError:  # deleted just now
            self._seen.pop(path, None)
            return False
        now = self._clock()
        last, since = self._seen.setdefault(path, (touched, now))
        if touched != last:
            self._seen[path] = touched, now
            self._touched.add(path)
            return True
        return now - since < self._stale_s


@contextmanager
def renewed(lease: Lease, beat_s: float = BEAT_S) -> Iterator[None]:
    """Touch a lease again and again until the block ends, from a thread that else sleeps."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(beat_s):
            with suppress(OSError):
                lease.touch()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _made(target: Path, owner: Owner) -> tuple[BinaryIO, Owner] | None:
    """The file, locked and complete from the moment at which it has its name, and the owner as it says; None where
    another has made it.
    """
    temporary = target.with_name(f".{uuid.uuid4().hex}.lease.tmp")
    file = temporary.open("x+b")
    try:
        owner = replace(owner, locked=_lock(file))
        file.write(json.dumps(asdict(owner)).encode())
        file.flush()
        os.link(temporary, target)
    except FileExistsError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return file, owner


def _lock(file: BinaryIO) -> bool:
    """Lock a file that nobody else knows yet; False where files have no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_locked(path: Path, owner: Owner) -> bool | None:
    """Whether the owner of a lease holds its lock; None where no lock would show that: see ``Owner.locked``."""
    if fcntl is None or not owner.locked or owner.kernel != this_kernel():
        return None
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # deleted just now
        return False
    except OSError:  # no locks for this process
        return None
    return False


def _try(path: Path) -> Try | None:
    """What a lease that is over says of the try that it was; None where it was deleted just now."""
    owner = Owner.read(path)
    try:
        ended = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
    except (ValueError, OverflowError):  # no date of any calendar
        ended = datetime.now(UTC).replace(microsecond=0)
    except OSError:
        return None
    gone = f"the process that ran it is gone ({alias(owner.node)}, started {owner.since})"
    return Try.on(owner.node, owner.fault or gone, ended)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def _of(folder: Path, key: str) -> list[tuple[int, Path]]:
    """The files of one run by their numbers."""
    return sorted((_number(path), path) for path in folder.glob(f"{key}.*.lease") if _NAME.fullmatch(path.name))


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])
