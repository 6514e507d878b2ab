"""Run the specs of records again, here, and judge each record by what comes out."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from platformdirs import user_cache_path
from rich.console import Console

import backends
import tasks
from harness.analysis.first_updates import judge_first, nearest
from harness.analysis.groups import seedless
from harness.analysis.verdict import Judgement, judge
from harness.errors import UsageError
from harness.machine.topology import Choice
from harness.planning.limits import check_run
from harness.planning.runs import check_threads
from harness.presentation.progress import bar
from harness.presentation.screen import Screen
from harness.presentation.table import Column, Table
from harness.presentation.verdict_words import STYLES
from harness.processes.stopping import asked_to_stop, may_stop, terminated_as_interrupted
from harness.processes.supervise import Interrupted, execute
from harness.records.kinds import about
from harness.records.naming import run_name
from harness.records.run import Record
from harness.records.store import AlteredRecord, Distinct, Store, StoreError, files, named_in, sealed
from harness.records.verdict import SO_FAR, WHOLE, Word
from harness.specs.own import noted, placed
from harness.specs.run import RunSpec
from harness.text import printable
from harness.workflows.common import keep
from harness.workflows.quiet import NotQuiet, Quiet
from harness.workflows.saving import NotHandedOver, found_for, handing
from harness.workflows.verdicts import opinion
from tasks.base import TaskError
from tasks.datasets import MissingData
from tasks.registry import UnknownName

#: Endings of reports: the records that they name are verified.
PAGES = (".html", ".md")
#: Kinds of records that are about other records: they lie beside these, and are passed over.
OPINIONS = ("verdict", "claim")
GOOD: tuple[Word, ...] = (*WHOLE, *SO_FAR)


class Row(NamedTuple):
    """One file and its judgement; ``record`` is None where the file holds none."""

    path: Path
    record: Record | None
    judgement: Judgement


def verify_all(
    places: Sequence[Path],
    timeout: float,
    store: Store | None,
    json_lines: bool,
    within: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    model: Path | None = None,
    quiet: Quiet | None = None,
    updates: int | None = None,
) -> tuple[list[Row], list[str]]:
    """Verify every run record in these files and folders, and every one that these reports name.

    Args:
        timeout: of each run, in seconds.
        store: where the new runs' records and the verdicts are kept; None to keep none.
        json_lines: print each judgement as a line of JSON as soon as it is made.
        within: seconds that all runs together may take; what is left then is cut short or not run.
        clock: in seconds.
        model: file of a user's own model, also as FILE:NAME, or folder of such, for records that are of one. Code
            beside a record is not run unless it is named: both may be a stranger's.
        quiet: looks at what others compute before each run; None for no look.
        updates: make about so many updates of each run again, and no more; None for all. See
            ``harness.analysis.first_updates``.

    Returns:
        A row for each record and for each file that is no record, and a line for each file that cannot be verified for
        another reason.

    Raises:
        UsageError: there is no such file or folder as ``model`` names.
    """
    if model is not None:
        placed(model)
    stderr = Screen(stderr=True)
    with may_stop():
        found, rows, problems = _read(places)
    for row in rows:
        _say(row, json_lines)
    seeds: dict[str, list[Record]] = {}
    for _, record, _ in found:
        seeds.setdefault(seedless(record), []).append(record)
    end, why_not = clock() + within, ""
    with terminated_as_interrupted():
        for number, (path, record, digest) in enumerate(found, 1):
            if not why_not and (left := end - clock()) <= 0:
                why_not = f"all runs together have taken {within:g} s (--within)"
            tried = Tried(Judgement("cannot run", why_not))
            if not why_not:
                others, position = seeds[seedless(record)], f"[{number}/{len(found)}]"
                try:
                    place = path.resolve().parent
                    tried = _one(
                        record, place, others, position, min(timeout, left), store, stderr, model, quiet, updates
                    )
                except KeyboardInterrupt as stop:
                    if store is not None and isinstance(stop, Interrupted):
                        keep(stop.record, store, stderr)
                    why_not = "interrupted"
                    tried = Tried(Judgement("cannot run", why_not))
            if store is not None and (made := opinion(record, digest, tried.judgement, tried.again, tried.kept)):
                keep(made, store, stderr)
            rows.append(Row(path, record, tried.judgement))
            _say(rows[-1], json_lines)
    return rows, problems


class Tried(NamedTuple):
    """A judgement, the new run that it is of, where there was one, and whether that one's record was kept."""

    judgement: Judgement
    again: Record | None = None
    kept: bool = False


def _read(places: Sequence[Path]) -> tuple[list[tuple[Path, Record, str]], list[Row], list[str]]:
    """The runs in these places with their files' digests, copies only once; a row for each file that is altered or no
    record, and a line for each other problem.
    """
    distinct = Distinct()
    found: list[tuple[Path, Record, str]] = []
    rows: list[Row] = []
    problems: list[str] = []
    paths: list[Path] = []
    for place in places:
        try:
            paths += named_in(place) if place.suffix in PAGES else files([place], problems)
        except StoreError as error:
            problems.append(str(error))
    for path in paths:
        try:
            record, digest = sealed(path)
            if not distinct.is_new(path, record):
                continue
        except StoreError as error:
            verdict: Word = "altered" if isinstance(error, AlteredRecord) else "cannot run"
            rows.append(Row(path, None, Judgement(verdict, str(error).removeprefix(f"{path}: "))))
            continue
        if isinstance(record, Record):
            found.append((path, record, digest))
        elif path in places or record.KIND not in OPINIONS:
            problems.append(f"{path}: {about(record).what}; only a run can be verified")
    return found, rows, problems


def _one(
    record: Record,
    place: Path,
    others: Sequence[Record],
    position: str,
    timeout: float | None,
    store: Store | None,
    stderr: Console,
    model: Path | None,
    quiet: Quiet | None,
    updates: int | None,
) -> Tried:
    if record.metrics is None:
        return Tried(judge(record, record))
    if asked_to_stop():
        raise KeyboardInterrupt
    try:
        spec = with_own_model(to_run_again(record), model)
    except UsageError as error:
        return Tried(Judgement("cannot run", str(error)))
    if why := unknown(spec):
        return Tried(Judgement("cannot run", why))
    if missing := missing_data(spec):
        return Tried(missing)
    try:
        start = found_for(spec, place)
    except UsageError as error:
        return Tried(Judgement("cannot run", str(error)))
    # one verify of a record at a time: two would disturb each other's speed and memory
    folder = user_cache_path("harness") / "verifying"
    folder.mkdir(parents=True, exist_ok=True)
    with may_stop():
        turn = FileLock(folder / f"{record.digest}.lock").acquire()
    cpus = Choice()
    until = None if updates is None else nearest(record, updates)
    try:
        with turn:
            with may_stop():
                before = quiet.before(cpus, spec.threads) if quiet else None
            with (
                handing(Path(tempfile.gettempdir()), start, save=False) as handed,
                bar(spec, position, stderr) as progress,
            ):
                again = execute(spec, timeout, progress, cpus=cpus, files=handed, updates=until)
        again = again.model_copy(update={"before": before})
    except (NotHandedOver, NotQuiet) as error:
        return Tried(Judgement("cannot run", str(error)))
    if updates is not None and until is not None:
        return Tried(judge_first(record, again, updates, others), again)
    kept = store is not None and keep(again, store, stderr)
    return Tried(judge(record, again, others), again, kept)


def to_run_again(record: Record) -> RunSpec:
    """The spec with the variant that ran, by its present name: ``auto`` may stand for another one by now."""
    return record.spec.model_copy(update={"variant": record.current_variant})


def with_own_model(spec: RunSpec, place: Path | None) -> RunSpec:
    """The spec with the digest that the file of its own model has now; unchanged where it is of a cell.

    Args:
        place: the file, also as FILE:NAME, or the folder that holds it; None where the user named none.

    Raises:
        UsageError: there is no such file, none was named, or the name is not the record's.
    """
    if spec.model.source is None:
        return spec
    file, _, name = spec.model.source.partition(":")
    what = f"it trained {name or 'the functions'} of {file} (SHA-256 {spec.model.sha256:.12}…)"
    if place is None:
        raise UsageError(f"{what}, which is code: if it is yours or you have read it, name it with --model {file}")
    place, named = placed(place)
    if named and named != name:
        raise UsageError(f"{what}, not {named}")
    path = place / file if place.is_dir() else place
    if not path.is_file():
        raise UsageError(f"{what}; there is no {path}")
    return spec.model_copy(update={"model": spec.model.model_copy(update={"sha256": noted(path)})})


def unknown(spec: RunSpec) -> str | None:
    """Why this spec cannot run here; None where it can.

    Names must be in the registries: nothing else is loaded. Sizes must fit into memory and a record: nothing larger is
    started.
    """
    try:
        backends.registry.check(spec.backend)
        check_run(spec, tasks.load(spec.task, spec.parameters, spec.seed))
        check_threads(spec.threads)
    except MissingData:
        return None  # which is judged apart: see ``missing_data``
    except (UnknownName, TaskError, UsageError) as error:
        return str(error)
    return None


def missing_data(spec: RunSpec) -> Judgement | None:
    """The judgement on a spec whose data set is not here, under whatever name; None where it is, or is no data set.

    Where other data has its name, that is another task, whose figures would say nothing: it is not even run.
    """
    try:
        tasks.load(spec.task, spec.parameters, spec.seed)
    except MissingData as missing:
        if missing.here is None:
            return Judgement("cannot run", str(missing))
        now, then = f"{missing.here[:12]}…", f"{str(spec.parameters['data'])[:12]}…"
        cause = f"the data differs (SHA-256 {now}, recorded {then})"
        return Judgement("other task", f"{cause}: {missing}", causes=(cause,))
    return None


def _say(row: Row, json_lines: bool) -> None:
    if not json_lines:
        return
    judgement = row.judgement
    print(json.dumps({"record": row.path.name, **judgement._asdict()}), flush=True)


def table(rows: Sequence[Row]) -> Table:
    """A row per record, its verdict first."""
    columns: list[Column[Row]] = [
        Column("verdict", _verdict, style=lambda row: STYLES[_verdict(row)], whole=True),
        Column("run", _run),
        Column("result", lambda row: row.judgement.why, prose=True),
        Column("speed", lambda row: row.judgement.speed, prose=True),
        Column("memory", lambda row: row.judgement.memory, prose=True),
    ]
    return Table.of(columns, rows, layout="airy")


def _verdict(row: Row) -> Word:
    return row.judgement.verdict


def _run(row: Row) -> str:
    return f"{run_name(row.record)}, seed {row.record.spec.seed}" if row.record else row.path.name


def closing(rows: Sequence[Row]) -> list[str]:
    """For each record that differs, what else differs between the two runs; then the number of each verdict."""
    lines = [
        printable(f"{row.path.name}: {'; '.join(row.judgement.causes[:6]) or 'no difference in environment is known'}")
        for row in rows
        if row.judgement.verdict in ("different", "other task")
    ]
    counts = [f"{n} {verdict}" for verdict in STYLES if (n := sum(row.judgement.verdict == verdict for row in rows))]
    return [*lines, f"{len(rows)} records: {', '.join(counts) or 'nothing to verify'}"]
