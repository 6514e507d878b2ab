"""Verify a record under the versions that it names, in a virtual environment built for them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import backends
import tasks
from harness.analysis.verdict import Judgement
from harness.errors import NOT_OK, UsageError
from harness.machine import software
from harness.presentation.progress import line
from harness.presentation.screen import Screen
from harness.processes.stopping import may_stop, terminated_as_interrupted
from harness.processes.virtual_environments import NotBuilt, python, recipe
from harness.records.run import Record
from harness.records.store import read_record
from harness.workflows.saving import found_for
from harness.workflows.verify import missing_data, to_run_again, unknown


def reproduce(path: Path, timeout: float | None, json_lines: bool, more: Sequence[str] = ()) -> int:
    """Verify the record in ``path`` under the versions that it names.

    Where they can be had, this process becomes ``harness verify`` in their environment: then there is no parent that a
    signal could end alone.

    Args:
        more: words for ``harness verify``.

    Returns:
        The exit status where they cannot be had.

    Raises:
        StoreError: the file is not the record of a run, or was altered.
    """
    record = read_record(path)
    try:
        if why := cannot_be_had(record):
            raise NotBuilt(why)
        if missing := missing_data(to_run_again(record)):
            return _said(path, missing, json_lines)
        found_for(record.spec, path.resolve().parent)
        with terminated_as_interrupted(), may_stop(), line(Screen(stderr=True)) as tell:
            interpreter = python(recipe(record), tell)
    except (NotBuilt, UsageError) as error:
        return _said(path, Judgement("cannot run", str(error)), json_lines)
    words = [str(interpreter), "-P", "-m", "harness", "verify", str(path.resolve())]
    words += ["--timeout", str(timeout)] if timeout is not None else []
    words += ["--json"] if json_lines else []
    words += more
    # the code of this checkout with the libraries of the record, and nothing else of the caller's Python
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "VIRTUAL_ENV")}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(interpreter, words, {**env, "PYTHONPATH": str(software.SOURCE)})


def _said(path: Path, judgement: Judgement, json_lines: bool) -> int:
    """Print a judgement that needs no run; the exit status."""
    row = {"record": path.name, **judgement._asdict()}
    print(json.dumps(row) if json_lines else f"{judgement.verdict}: {judgement.why}")
    return NOT_OK


def cannot_be_had(record: Record) -> str | None:
    """Why no environment could run this record's spec, or None: said before one is built, which takes minutes."""
    if record.metrics is None:
        return f"its run was {record.status}: there is nothing to reproduce"
    spec = to_run_again(record)
    if why := unknown(spec):
        return why
    if spec.model.source:
        return f"it trained {spec.model.source}, a model of a user's own: harness verify --model FILE runs it here"
    registered = [(backends.registry, spec.backend)]
    if spec.task in tasks.registry.registered():  # else it is a data set, which needs no code
        registered.append((tasks.registry, spec.task))
    for registry, name in registered:
        if not registry.is_ours(name):
            return (
                f"{registry.noun} {name!r} is another distribution's, which an environment built from this project's "
                "code does not have; harness verify runs it here"
            )
    return None
