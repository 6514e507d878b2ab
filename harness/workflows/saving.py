"""What goes into a run besides its spec, and comes out besides figures: parameters, and test predictions."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import tasks
from backends.job import ModelSpec, Parameters
from harness.errors import UsageError
from harness.processes.supervise import Files
from harness.records.run import Record
from harness.records.saved import SavedParameters, apart, by_digest, check_installed, named, write
from harness.records.store import StoreError
from harness.records.whole import scratch
from harness.specs.run import RunSpec


class NotHandedOver(RuntimeError):
    """A worker cannot be given files for its arrays; the message says why, and names no folder: records keep it."""


def start_of(options: Mapping[str, Any]) -> tuple[dict[str, Any], SavedParameters | None]:
    """The options of ``harness run`` as planning takes them, and the parameters that ``--from`` names; None without it.

    Raises:
        UsageError: they are not there, or the library that reads and writes them is not.
    """
    for name, given in (("--save", options["save"]), ("--from", options["start"])):
        if given and options.get("model"):
            raise UsageError(f"{name} is for the parameters of a cell, whose layout is known; --model brings its own")
    if options["save"]:
        check_installed("--save")
    if options["start"] is None:
        return dict(options), None
    check_installed("--from")
    found = named(options["start"], Path(options["results"]))
    return {**options, "start": found.sha256}, found


def check_fit(specs: Sequence[RunSpec], start: SavedParameters | None) -> None:
    """Raises UsageError where one of the specs has another model than the parameters that it is to start from."""
    for spec in specs:
        if start is not None and (why := apart(start.model, model_of(spec))):
            raise UsageError(f"--from: the parameters in {start.path.name} do not fit: {why}")


def model_of(spec: RunSpec) -> ModelSpec:
    """The model that a spec trains."""
    return spec.job(tasks.load(spec.task, spec.parameters, spec.seed)).model


def found_for(spec: RunSpec, folder: Path) -> Parameters | None:
    """The parameters that a record's spec starts from, found by their digest beside it; None where it draws them.

    Raises:
        UsageError: they cannot be had; the message says why, in one line.
    """
    if spec.start is None:
        return None
    check_installed("the record starts from saved parameters, which")
    found = by_digest(spec.start, folder)
    if found is None:
        raise UsageError(
            f"it starts from saved parameters with SHA-256 {spec.start[:12]}…; no file beside the record has it"
        )
    if why := apart(found.model, model_of(spec)):
        raise UsageError(f"the saved parameters in {found.path.name} do not fit its spec: {why}")
    return found.parameters


@contextmanager
def handing(folder: Path, start: Parameters | None, save: bool) -> Iterator[Files]:
    """The files through which a run's arrays pass, in ``folder``; they are gone afterwards.

    Raises:
        NotHandedOver: they cannot be made or written.
    """
    with ExitStack() as stack:
        files = Files()
        try:
            if start is not None:
                files.start = stack.enter_context(scratch(folder, "start"))
                with files.start.open("wb") as file:
                    np.savez(file, **start)  # type: ignore[arg-type]
            if save:
                files.keep = stack.enter_context(scratch(folder, "keep"))
        except OSError as error:
            raise NotHandedOver(f"its parameters cannot be handed over: {error.strerror}") from None
        yield files


def with_saved(record: Record, files: Files, folder: Path) -> Record:
    """The record with the digests of what was kept of its run, which is then beside it; nothing of one that is not ok.

    Raises:
        StoreError: it could not be kept; nothing of it is left.
    """
    if files.keep is None or record.status != "ok":
        return record
    try:
        if files.problem is not None:
            raise StoreError(files.problem)
        with np.load(files.keep, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return record.model_copy(update={"saved": write(folder, record, model_of(record.spec), arrays)})
    except StoreError as error:
        raise StoreError(f"{record.id}: its parameters are not saved: {error}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{record.id}: its parameters are not saved: the worker's file is no good: {error}") from None
