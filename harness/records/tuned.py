"""What ``harness tune`` found on this machine: for each kind of job the variant that ``auto`` takes, in one file.

The file is in the user's cache, and no record of a run depends on it: a record names the variant that ran.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal

from platformdirs import user_cache_path
from pydantic import ValidationError

from backends.job import Cell, Device, Job, Precision
from harness.machine import software, system
from harness.records.base import Moment, Ratio
from harness.records.resume import computing
from harness.records.whole import write_whole
from harness.specs.base import Denormals, Frozen, Name, Positive, one_line
from tasks.base import Loss, Readout

#: Names another file than the one in the cache; where it is empty, no tuned choice is kept or used.
VARIABLE: Final = "HARNESS_TUNED"
#: Seconds to wait for another command that writes the file, which takes milliseconds.
PATIENCE_S: Final = 10.0


class Unreadable(Exception):
    """The file is none of tuned choices; says why, in one line."""


class SizeClass(Frozen):
    """Jobs that are shaped alike: each size as the power of two that is nearest by its ratio, all else as it is."""

    cell: Cell
    batch: Positive
    length: Positive
    features: Positive
    hidden: Positive
    layers: Positive
    bidirectional: bool
    loss: Loss
    readout: Readout
    variable: bool
    dropout: bool

    @classmethod
    def of(cls, job: Job) -> SizeClass:
        """That of a job; a batch that is computed in parts has their size."""
        model = job.model
        return cls(
            cell=model.cell,
            batch=rounded(job.micro.batch),
            length=rounded(job.length),
            features=rounded(model.inputs),
            hidden=rounded(model.hidden),
            layers=rounded(model.layers),
            bidirectional=model.bidirectional,
            loss=job.loss,
            readout=model.readout,
            variable=job.variable,
            dropout=job.dropout > 0,
        )


def rounded(size: int) -> int:
    """The power of two that is nearest by its ratio: 64 for 50, 128 for 100."""
    return int(2 ** round(math.log2(size)))


class Place(Frozen):
    """Where a backend computes: another place may have another fastest variant.

    Attributes:
        libraries: versions of the distributions that compute, Python's under its name.
        processor: the CPU's name; gpu: the GPU's, for jobs on CUDA.
    """

    libraries: dict[str, str]
    processor: str
    gpu: str | None = None

    @classmethod
    def here(cls, backend: str, device: Device) -> Place:
        """This machine, with what is installed for this process."""
        return cls(
            libraries=computing(backend, software.packages(), platform.python_version()),
            processor=system.cpu_model(),
            gpu=system.gpu().get("name") if device == "cuda" else None,
        )


class Kind(Frozen):
    """All that decides which variant is the fastest: what is computed, by what, where.

    Attributes:
        backend, precision, device, threads, denormals, deterministic: as in a spec.
        shape: the class of the job's sizes.
    """

    backend: Name
    shape: SizeClass
    precision: Precision
    device: Device
    threads: Positive
    denormals: Denormals
    deterministic: bool
    place: Place

    @classmethod
    def here(cls, backend: str, job: Job, denormals: Denormals) -> Kind:
        """That of a job that is computed here."""
        return cls(
            backend=backend,
            shape=SizeClass.of(job),
            precision=job.precision,
            device=job.device,
            threads=job.threads,
            denormals=denormals,
            deterministic=job.deterministic,
            place=Place.here(backend, job.device),
        )


class Tuned(Frozen):
    """The variant to take for a kind of job.

    Attributes:
        kind: of the job.
        variant: the one to take.
        of: how many were measured.
        tied: whether it cannot be told apart from another one, so that it is taken for being the rule's.
        rule: the variant that the backend's rule takes.
        over_rule, over_stock: how many times as fast it is; None where it is that one, or that one was not measured.
        over_next: the same of the fastest other one.
        created: when it was measured.
        measured: the sizes that were measured, as tables show them.
        disturbed: whether others computed meanwhile.
        code: SHA-256 of the source of this project's backends.
    """

    kind: Kind
    variant: Name
    of: Positive
    tied: bool
    rule: Name
    over_rule: Ratio | None = None
    over_next: Ratio | None = None
    over_stock: Ratio | None = None
    created: Moment
    measured: str
    disturbed: bool = False
    code: str

    @property
    def reason(self) -> str:
        """Why ``auto`` takes it, as a record says it: "fastest of 6, measured here 2026-11-26"."""
        how = "as fast as any" if self.tied else "fastest"
        meanwhile = " while others computed" if self.disturbed else ""
        return f"{how} of {self.of}, measured here {self.created:%Y-%m-%d}{meanwhile}"

    @property
    def unused(self) -> str | None:
        """Why ``auto`` does not take it with what is installed here on this machine; None where it does."""
        then, now = self.kind.place, Place.here(self.kind.backend, self.kind.device)
        if (then.processor, then.gpu) != (now.processor, now.gpu):
            return "another machine's"
        return None if then.libraries == now.libraries else "of other versions"


class _File(Frozen):
    kind: Literal["tuned"] = "tuned"
    schema_version: Literal[1] = 1
    choices: list[Tuned]


def place() -> Path | None:
    """The file; None where tuned choices are switched off."""
    named = os.environ.get(VARIABLE)
    return user_cache_path("harness") / "tuned.json" if named is None else Path(named) if named else None


def read() -> list[Tuned]:
    """The choices that are kept; none where there is no file.

    Raises:
        Unreadable: the file holds something else.
    """
    path = place()
    if path is None:
        return []
    try:
        return _File.model_validate_json(path.read_bytes()).choices
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise Unreadable(f"{path}: no file of tuned choices: {one_line(error)}") from None


def find(backend: str, job: Job, denormals: Denormals) -> Tuned | None:
    """The choice for such a job, with what is installed here on this machine; None where there is none.

    Raises:
        Unreadable: the file holds something else.
    """
    shape = SizeClass.of(job)
    likely = [each for each in read() if (each.kind.backend, each.kind.shape) == (backend, shape)]
    if not likely:  # most often: what is installed need not be looked up
        return None
    kind = Kind.here(backend, job, denormals)
    return next((each for each in likely if each.kind == kind), None)


def keep(choice: Tuned) -> None:
    """Keep a choice in place of what was kept for its kind. Raises OSError."""
    _change(lambda kept: [*(each for each in kept if each.kind != choice.kind), choice])


def forget(which: Callable[[Tuned], bool]) -> int:
    """Forget those choices; returns how many they were.

    A file that cannot be read goes as a whole.

    Raises:
        OSError: it cannot be written.
    """
    gone = 0

    def without(kept: list[Tuned]) -> list[Tuned]:
        nonlocal gone
        left = [each for each in kept if not which(each)]
        gone = len(kept) - len(left)
        return left

    _change(without)
    return gone


def _change(change: Callable[[list[Tuned]], Iterable[Tuned]]) -> None:
    """Write the file anew: whole, and one command at a time. Raises OSError."""
    from filelock import FileLock, Timeout  # a worker writes nothing

    path = place()
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE_S):
            try:
                kept = read()
            except Unreadable:
                kept = []
            choices = list(change(kept))
            if choices:
                content = _File(choices=choices).model_dump(mode="json")
                write_whole(path, json.dumps(content, indent=1) + "\n")
            else:
                path.unlink(missing_ok=True)
    except Timeout:
        raise OSError(None, "another command is writing it", str(path)) from None
