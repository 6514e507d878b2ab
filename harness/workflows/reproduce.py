"""Verify a record by its own code, under the versions that it names, in a virtual environment built for them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import backends
import tasks
from harness.analysis.verdict import Judgement, judge
from harness.errors import NOT_OK, OK, UsageError
from harness.machine import software
from harness.machine.topology import Choice
from harness.presentation.progress import line
from harness.presentation.screen import Screen
from harness.processes.recorded_code import NotHad, fetch, run, why_not
from harness.processes.stopping import may_stop, terminated_as_interrupted
from harness.processes.virtual_environments import NotBuilt, python, recipe
from harness.records.run import Record
from harness.records.store import Store, read_record, sealed
from harness.text import harmless
from harness.workflows.common import keep
from harness.workflows.quiet import NotQuiet, Quiet
from harness.workflows.saving import found_for
from harness.workflows.verdicts import opinion
from harness.workflows.verify import GOOD, Tried, missing_data, to_run_again, unknown


def reproduce(
    path: Path,
    timeout: float | None,
    json_lines: bool,
    source: str | None = None,
    results: Path | None = None,
    quiet: Quiet | None = None,
) -> int:
    """Make the run of the record in ``path`` again by the code of its commit, under the versions that it names, and
    judge it by the code that is here.

    Args:
        source: URL or path of a repository that has the commit; None for the one that this code is of.
        results: folder to keep the new run's record and the verdict in; None to keep none.
        quiet: looks at what others compute before the run; None for no look.

    Returns:
        The exit status.

    Raises:
        StoreError: the file is not the record of a run, or was altered.
    """
    record, digest = read_record(path), sealed(path)[1]
    stderr = Screen(stderr=True)
    tried = Tried(Judgement("cannot run", "interrupted"))
    with terminated_as_interrupted(), TemporaryDirectory(prefix="harness-") as folder, suppress(KeyboardInterrupt):
        try:
            tried = _by_its_own_code(record, source, Path(folder), timeout, quiet, stderr)
        except (NotBuilt, NotHad, NotQuiet, UsageError) as error:
            tried = Tried(Judgement("cannot run", str(error)))
        kept = False
        if results is not None:
            store = Store(results)
            kept = tried.again is not None and keep(tried.again, store, stderr)
            made = opinion(record, digest, tried.judgement, tried.again, kept, code="recorded", packages="versions")
            if made is not None:
                keep(made, store, stderr)
    _say_one(path, tried.judgement, json_lines)
    return OK if tried.judgement.verdict in GOOD else NOT_OK


def _by_its_own_code(
    record: Record, source: str | None, folder: Path, timeout: float | None, quiet: Quiet | None, stderr: Screen
) -> Tried:
    """Raises NotBuilt, NotHad, NotQuiet and UsageError where no run is made, KeyboardInterrupt where it is stopped."""
    if why := cannot_be_had(record) or why_not(record):
        raise NotHad(why)
    if missing := missing_data(to_run_again(record)):
        return Tried(missing)
    code, results = folder / "code", folder / "results"
    with may_stop(), line(stderr) as tell:
        tell("fetching the record's own code")
        fetch(record, source, code)
        found = recipe(record)
        interpreter = python(replace(found, commit=record.environment.git_commit, code=code), tell)
    with may_stop():
        before = quiet.before(Choice(), record.spec.threads) if quiet else None
    results.mkdir()
    again = run(record, interpreter, code, results, timeout).model_copy(update={"before": before})
    return Tried(judge(record, again), again)


def by_current_code(path: Path, timeout: float | None, json_lines: bool, more: Sequence[str] = ()) -> int:
    """Verify the record in ``path`` by the code that is here, under the versions that it names.

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
    _say_one(path, judgement, json_lines)
    return NOT_OK


def _say_one(path: Path, judgement: Judgement, json_lines: bool) -> None:
    if json_lines:
        print(json.dumps({"record": path.name, **judgement._asdict()}))
        return
    print(harmless(f"{judgement.verdict}: {judgement.why}", keep=""))
    for remark in filter(None, (judgement.speed, judgement.memory, *judgement.causes[:6])):
        print(harmless(f"  {remark}", keep=""))


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
