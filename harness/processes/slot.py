"""A machine's slot: one measuring run per machine, or per GPU, at a time, whoever starts it.

The slots are files that their holders keep locked, in a folder that belongs to this machine alone (home folders are
often shared by many), so the kernel gives a slot back however its holder ends. Runs are of three kinds:

- a run on the CPU measures alone on the machine;
- runs on GPUs measure beside each other, each on a GPU of its own;
- sharing runs, whose time is not measured, run beside each other on CPUs of their own.

No two kinds run at the same time. Whoever wants a slot waits at a gate, one at a time, so that no kind keeps another
out for ever. Other users' runs are not seen here: a record's noise tells of them.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from harness.machine import nvml
from harness.machine.process import available_cpus
from harness.processes.stopping import may_stop

try:
    import fcntl
except ImportError:  # Windows, where no worker runs
    fcntl = None  # type: ignore[assignment]

#: Environment variable with the folder of the slots, for machines on which processes do not see the same ``/dev/shm``.
FOLDER: Final = "HARNESS_SLOTS"
Kind = Literal["cpu", "gpu", "share"]
_KINDS: Final[tuple[Kind, ...]] = ("cpu", "gpu", "share")
#: Seconds between two looks for a free one of several GPUs or sets of CPUs, and with a timeout.
_LOOK_S: Final = 0.2


class SlotTaken(RuntimeError):
    """Others kept the machine busy until the time was over."""


class NoSlot(RuntimeError):
    """The folder of the slots cannot be used; the message says why."""


@dataclass(frozen=True)
class Slot:
    """A slot that is held.

    Attributes:
        cpus: those of a sharing run; None for a measuring one, which chooses among all.
        gpu: which GPU a run on one gets, as ``CUDA_VISIBLE_DEVICES`` names it; None to leave that variable alone.
    """

    cpus: list[int] | None = None
    gpu: str | None = None


@contextmanager
def slot(
    device: str, timeout: float | None = None, on_wait: Callable[[], None] | None = None, share: int = 1
) -> Iterator[Slot]:
    """Hold this machine's slot for a run: wait until it is free, give it back at the end.

    Args:
        device: the run's, ``cpu`` or ``cuda``.
        timeout: seconds to wait; None for as long as it takes.
        on_wait: called once, where the slot is not free at once.
        share: how many sharing runs the machine takes at a time, each on its part of the CPUs that this process may use
            now (a CPU each where there are fewer); 1 for a run that measures.

    Raises:
        SlotTaken: it was not free within ``timeout``.
        NoSlot: there is no place for it.
        KeyboardInterrupt: the user stopped the wait.
    """
    if fcntl is None:
        yield Slot()
        return
    kind: Kind = "share" if share > 1 else "gpu" if device == "cuda" else "cpu"
    with ExitStack() as held, _Waiting(_folder(), timeout, on_wait, held) as waiting:
        yield waiting.enter(kind, share)


class _Waiting:
    """A wait for a slot."""

    def __init__(
        self, folder: Path, timeout: float | None, on_wait: Callable[[], None] | None, held: ExitStack
    ) -> None:
        self.folder, self.on_wait, self.held = folder, on_wait, held
        self.deadline = None if timeout is None else time.monotonic() + timeout

    def __enter__(self) -> _Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.held.close()

    def enter(self, kind: Kind, share: int) -> Slot:
        """Wait at the gate until no other kind is left, then for a place among one's own."""
        with self._locked("gate"):
            for other in _KINDS:
                if other != kind:
                    with self._locked(other):  # free: none of that kind runs, nor begins before the gate is open
                        pass
            self.held.enter_context(self._locked(kind, shared=kind != "cpu"))
        if kind == "share":
            parts = _parts(available_cpus(), share)
            return Slot(cpus=parts[self._any([[f"cpu-{cpu}" for cpu in part] for part in parts])])
        if kind == "gpu":
            gpus = visible_gpus()
            name = gpus[self._any([[f"gpu-{gpu}"] for gpu in gpus])]
            return Slot(gpu=name if len(gpus) > 1 else None)
        return Slot()

    def _any(self, choices: Sequence[Sequence[str]]) -> int:
        """Lock all files of one of these choices, the first that is free; returns which."""
        while True:
            for number, names in enumerate(choices):
                if self._all_free(names):
                    return number
            self._wait()

    def _all_free(self, names: Sequence[str]) -> bool:
        with ExitStack() as stack:
            for name in names:
                file = stack.enter_context(self._file(name))
                if not _try(file, fcntl.LOCK_EX):
                    return False
            self.held.push(stack.pop_all())
        return True

    @contextmanager
    def _locked(self, name: str, shared: bool = False) -> Iterator[None]:
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        with self._file(name) as file:  # closing it unlocks
            while not _try(file, mode):
                if self.deadline is None:
                    self._tell()
                    with may_stop():
                        fcntl.flock(file, mode)
                    break
                self._wait()
            yield

    def _file(self, name: str) -> BinaryIO:
        try:
            return (self.folder / f"{_plain(name)}.lock").open("ab")
        except OSError as error:
            raise NoSlot(f"cannot use {self.folder} for this machine's slots: {error.strerror}") from None

    def _wait(self) -> None:
        self._tell()
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise SlotTaken("this machine is busy with another run")
        with may_stop():
            time.sleep(_LOOK_S)

    def _tell(self) -> None:
        if self.on_wait:
            self.on_wait()
            self.on_wait = None


def _try(file: BinaryIO, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _parts(cpus: Sequence[int], share: int) -> list[list[int]]:
    """The CPUs in as many equal parts as there are sharing runs; what is left over is nobody's."""
    size = max(1, len(cpus) // share)
    return [list(cpus[at : at + size]) for at in range(0, len(cpus) - size + 1, size)][:share]


def visible_gpus() -> list[str]:
    """The GPUs that this process may use: by UUID where NVML knows them, which means the same to every process."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        found = [uuid for device in nvml.visible(nvml.connect(), asked) if (uuid := device.uuid())]
    except nvml.NvmlUnavailable:
        found = []
    return found or [word.strip() for word in (asked or "").split(",") if word.strip()] or ["0"]


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)[:100]


def _folder() -> Path:
    """The folder of this user's slots on this machine.

    Raises:
        NoSlot: it cannot be made, or is another user's.
    """
    asked = os.environ.get(FOLDER)
    if asked:
        path = Path(asked)
    else:
        memory = Path("/dev/shm")  # belongs to one machine, unlike most homes, and to all jobs on it, unlike TMPDIR
        parent = memory if memory.is_dir() and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
        path = parent / f"harness-slots-{os.getuid() if sys.platform != 'win32' else 0}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise NoSlot(f"cannot make {path} for this machine's slots: {error.strerror}; set {FOLDER}") from None
    if not asked and (not stat.S_ISDIR(found.st_mode) or (sys.platform != "win32" and found.st_uid != os.getuid())):
        raise NoSlot(f"{path}, the place of this machine's slots, is another user's; set {FOLDER} to a folder of yours")
    return path
