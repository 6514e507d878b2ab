"""What an experiment tracker is told of a run: the same for each of them."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.presentation.run_columns import COLUMNS
from harness.records.base import Status
from harness.records.naming import run_name
from harness.records.run import CurvePoint, Record
from harness.records.store import contents
from harness.specs.run import flat
from harness.text import printable

#: What a tracker takes as the name of a figure; a score's may be any text.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.\-]")
_NUMBERS = ("float64", "Int64", "boolean")
#: The shortest that MLflow, W&B and TensorBoard all show whole.
_LONGEST_VALUE = 250
_SCRATCH, _OLD_S = ".harness-export-", 3600.0


class Point(NamedTuple):
    """One evaluation: after ``step`` updates, ``seconds`` of training; losses and validation scores by name."""

    step: int
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Tracked:
    """One run.

    Attributes:
        id: the record's.
        name: in a few words; ``experiment`` is what runs that may be compared share.
        status: as in the record.
        started, ended: seconds since 1970. The worker's life is what the record knows of the start.
        settings: the spec's values by the paths of their fields, those that are not set left out.
        figures: what was measured, by the columns of ``harness table``; times in s or ms, sizes in MiB. What
            stands before a slash is a group in all three trackers.
        curve: the evaluations, in order.
        tags: what else tells runs apart: versions, machine, variant, the reason where a run is not ok.
        document: the record's file, which ``harness show`` and ``harness verify`` read.
    """

    id: str
    name: str
    experiment: str
    status: Status
    started: float
    ended: float
    settings: Mapping[str, str | int | float | bool]
    figures: Mapping[str, float]
    curve: Sequence[Point]
    tags: Mapping[str, str]
    document: bytes


class Written(NamedTuple):
    """What a tracker's store was given: runs that are new there, and runs that it had already."""

    new: int
    known: int
    #: The command that shows the store, for a shell.
    look: str


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder within ``folder``, in which a run is put together before it gets its name; then it is deleted."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as made:
        yield Path(made)


def sweep(folder: Path) -> None:
    """Delete what ``scratch`` made for writers that were killed: what is older than any run takes to be written."""
    for left in folder.glob(f"{_SCRATCH}*"):
        if time.time() - left.stat().st_mtime > _OLD_S:
            shutil.rmtree(left, ignore_errors=True)


def tracked(record: Record, path: Path) -> Tracked:
    """A run as a tracker takes it.

    Args:
        path: the record's file.

    Raises:
        OSError, StoreError: it cannot be read.
    """
    ended = record.created.timestamp()
    lived = record.metrics.wall_s if record.metrics else 0.0
    return Tracked(
        id=record.id,
        name=printable(f"{run_name(record)} seed {record.spec.seed}"),
        experiment=f"{record.spec.task} {record.spec.preset}",
        status=record.status,
        started=max(0.0, ended - lived),
        ended=ended,
        settings=dict(_settings(record)),
        figures=dict(_figures(record)),
        curve=[Point(each.step, each.seconds, dict(_values(each))) for each in record.curve],
        tags=dict(_tags(record)),
        document=contents(path, "record"),
    )


def _settings(record: Record) -> Iterator[tuple[str, str | int | float | bool]]:
    for path, value in flat(record.spec).items():
        if value is not None:
            yield _name(path), value if isinstance(value, int | float) else printable(str(value))[:_LONGEST_VALUE]


def _figures(record: Record) -> Iterator[tuple[str, float]]:
    """The numbers that a record without its measurements would lack, so that none has to be listed here."""
    bare = record.model_copy(update={"metrics": None, "gate": None})
    for column in COLUMNS.values():
        if column.kind in _NUMBERS and column.get(bare) is None and (value := column.get(record)) is not None:
            yield f"measured/{column.name}", float(value)
    for name, value in record.metrics.score.items() if record.metrics else ():
        yield f"measured/score.{_name(name)}", value


def _values(point: CurvePoint) -> Iterator[tuple[str, float]]:
    yield "validation/loss", point.loss
    if point.train_loss is not None:
        yield "train/loss", point.train_loss
    for name, value in point.scores.items():
        yield f"validation/{_name(name)}", value


def _tags(record: Record) -> Iterator[tuple[str, str]]:
    told: dict[str, Any] = {
        "status": record.status, "reason": record.reason, "variant": record.variant, "executed": record.executed,
        "cpu": record.environment.cpu, "device": record.environment.device_name, "spec": record.spec.digest,
        **{f"version.{_name(name)}": version for name, version in record.environment.versions.items()},
    }  # fmt: skip
    for name, value in told.items():
        if value:
            yield f"harness.{name}", printable(str(value))[:_LONGEST_VALUE]


def _name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("_", text)[:_LONGEST_VALUE]
