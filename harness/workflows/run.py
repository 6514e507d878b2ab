"""Run a plan: one worker after another, each record written when its run ends, then the table of all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from rich.console import Console

import tasks
from backends import parameters
from harness.errors import UsageError
from harness.machine.topology import Choice
from harness.presentation import screen
from harness.presentation.progress import bar, line
from harness.presentation.table import Column, Table
from harness.processes import here
from harness.processes import virtual_environments as environments
from harness.processes.stopping import asked_to_stop, may_stop, terminated_as_interrupted
from harness.processes.supervise import Interrupted, OnProgress, execute, refused
from harness.records.run import Record
from harness.records.saved import SavedParameters
from harness.records.store import Store, StoreError
from harness.specs.base import Optimizer
from harness.specs.options import RUN, value_at
from harness.specs.run import RunSpec, differing
from harness.specs.study import TRIES
from harness.text import counted
from harness.workflows.common import complain, keep
from harness.workflows.done import Done
from harness.workflows.quiet import NotQuiet, Quiet
from harness.workflows.saving import NotHandedOver, handing, with_saved
from harness.workflows.trying import statuses, tried

#: By backend, the versions of its framework to run it under; None stands for the version installed here.
Versions = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True)
class Resume:
    """How a plan goes on where an earlier call stopped.

    Attributes:
        retry: statuses of records that do not make a run done.
        tries: times that a run is tried again after a fault of the machine's.
    """

    retry: Sequence[str] = ()
    tries: int = TRIES

    @classmethod
    def asked(cls, resume: bool, retry: str | None, tries: int | None) -> Resume | None:
        """What ``--resume``, ``--retry`` and ``--tries`` say; None without the first.

        Raises:
            UsageError: one of the others without it, or a word that is no status.
        """
        if not resume:
            for name, value in (("--retry", retry), ("--tries", tries)):
                if value is not None:
                    raise UsageError(f"{name} says how --resume goes on; give that, too")
            return None
        return cls(statuses(retry), TRIES if tries is None else tries)


@dataclass
class Runs:
    """What became of a plan.

    Attributes:
        records: of the runs that were started, in order.
        well: whether all runs were ok, and their records kept.
        left: runs that were not started, because the user stopped it.
        stopped: whether the user did.
    """

    records: list[Record] = field(default_factory=list)
    well: bool = True
    left: int = 0
    stopped: bool = False


def run_all(
    specs: Sequence[RunSpec],
    store: Store,
    timeout: float | None,
    json_lines: bool,
    versions: Versions | None = None,
    cpus: Sequence[int] | None = None,
    start: SavedParameters | None = None,
    save: bool = False,
    resume: Resume | None = None,
    quiet: Quiet | None = None,
) -> bool:
    """``run_each``, and print what came out; True if all were ok and their records kept.

    Args:
        json_lines: print each record as a line of JSON, in place of the table at the end.
    """
    with terminated_as_interrupted():
        on_record = (lambda record: print(record.json_line(), flush=True)) if json_lines else None
        runs = run_each(specs, store, timeout, versions, cpus, on_record, start, save, resume, quiet)
        if runs.stopped:
            screen.Screen(stderr=True).print(f"interrupted; {runs.left} runs not started", highlight=False)
        try:
            with may_stop():
                if not json_lines and runs.records:
                    print_summary(runs.records)
        except KeyboardInterrupt:  # the user did not wait for the summary
            return False
    return runs.well


def run_each(
    specs: Sequence[RunSpec],
    store: Store | None,
    timeout: float | None,
    versions: Versions | None = None,
    cpus: Sequence[int] | None = None,
    on_record: Callable[[Record], None] | None = None,
    start: SavedParameters | None = None,
    save: bool = False,
    resume: Resume | None = None,
    quiet: Quiet | None = None,
) -> Runs:
    """Run every spec under every version asked for.

    Args:
        store: where records are kept; None to keep none.
        timeout: seconds that one run may take.
        cpus: those that the user named; None for all that this process may use.
        on_record: called with each record as soon as it is kept.
        start: what the specs start from that say so.
        save: whether parameters and predictions are kept beside each record.
        resume: skip what is done already, and try again what faults of the machine end; None to do neither.
        quiet: looks at what others compute before each run; None for no look.

    Raises:
        KeyboardInterrupt: the user stopped it before the first run had started.
    """
    stderr = screen.Screen(stderr=True)
    runs = [(spec, version) for spec in specs for version in (versions or {}).get(spec.backend, [None])]
    found = Runs()
    if resume and store:
        runs = _left(runs, store, resume, save, found, stderr)
    tries = resume.tries if resume else 0
    with terminated_as_interrupted():
        for number, (spec, version) in enumerate(runs, 1):
            saved = True
            try:
                save_in = store.folder if store and save else None
                one = OneRun(spec, version, timeout, Choice(cpus), start, save_in, quiet)
                record, saved = tried(partial(run_one, one, f"[{number}/{len(runs)}]", stderr), tries)
            except Interrupted as interruption:
                record = interruption.record
            except KeyboardInterrupt:  # while an environment was built, or quiet waited for
                if not found.records:
                    raise
                return replace(found, well=False, left=len(runs) - number + 1, stopped=True)
            found.records.append(record)
            kept = store is None or keep(record, store, stderr)
            found.well = kept and saved and record.status == "ok" and found.well
            if on_record:
                on_record(record)
            left = len(runs) - number
            if record.status == "interrupted" or (left and asked_to_stop()):
                return replace(found, well=False, left=left, stopped=True)
    return found


def _left(
    runs: list[tuple[RunSpec, str | None]], store: Store, resume: Resume, save: bool, found: Runs, stderr: Console
) -> list[tuple[RunSpec, str | None]]:
    """The runs that no record in the folder has the result of; says how many are done and left, in one line."""
    done = Done(store.folder)
    finished = [done.last([here.key(spec, version)], resume.retry, save) for spec, version in runs]
    left = [run for run, record in zip(runs, finished, strict=True) if record is None]
    not_ok = sum(record is not None and record.status != "ok" for record in finished)
    found.well = not not_ok
    note = f" ({not_ok} of them not ok; --retry runs those again)" if not_ok else ""
    stderr.print(
        f"{len(runs) - len(left)} of {counted(len(runs), 'run')} done in {store.folder}{note}, {len(left)} left",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    return left


@dataclass(frozen=True)
class OneRun:
    """One run of a plan.

    Attributes:
        save_in: the folder in which what comes out of it is saved; None to save nothing.
        quiet: looks before it, one and the same for all runs of a plan; None for no look.
    """

    spec: RunSpec
    version: str | None = None
    timeout: float | None = None
    cpus: Choice = field(default_factory=Choice)
    start: SavedParameters | None = None
    save_in: Path | None = None
    quiet: Quiet | None = None


def run_one(one: OneRun, position: str, stderr: Console, on_progress: OnProgress | None = None) -> tuple[Record, bool]:
    """Execute a run; in a virtual environment if a version is asked for, or if the framework is not installed here.

    Args:
        position: of the run among all, for the bar.
        on_progress: called with each report of the worker, in place of a bar.

    Returns:
        Its record, and whether what was to be saved is.
    """
    spec, version, python = one.spec, one.version, None
    if environments.needed(spec.backend, version):
        try:
            with line(stderr) as tell, may_stop():
                python = environments.find(spec.backend, version, tell)
        except environments.NotBuilt as error:
            return refused(spec, str(error), version), True
    try:
        with may_stop():
            before = one.quiet.before(one.cpus, spec.threads) if one.quiet else None
    except NotQuiet as error:
        return refused(spec, str(error), version).model_copy(update={"before": error.before}), True
    parameters = one.start.parameters if one.start and spec.start else None
    folder = one.save_in or Path(tempfile.gettempdir())
    try:
        with handing(folder, parameters, one.save_in is not None) as files:
            with nullcontext(on_progress) if on_progress else bar(spec, position, stderr) as report:
                record = execute(spec, one.timeout, report, python, version, one.cpus, files)
            record = record.model_copy(update={"before": before})
            return with_saved(record, files, folder), True
    except StoreError as error:
        complain(error, stderr)
        return record, False
    except NotHandedOver as error:
        return refused(spec, str(error), version), False


def print_summary(records: Sequence[Record]) -> None:
    """Print the table of these runs, the summary of repeated ones, and why each run that is not ok failed."""
    from harness.analysis.repeats import any_repeated
    from harness.presentation.run_table import repeats_table, runs_table
    from harness.records.naming import reasons

    summaries = [repeats_table(records)] if any_repeated(records) else []
    screen.show(runs_table(records), *summaries, width=140)
    console = screen.Screen()
    for reason in reasons(records):
        console.print(reason, highlight=False, markup=False, soft_wrap=True)


def print_plan(specs: Sequence[RunSpec], json_lines: bool, note: str | None = None) -> None:
    """Print what would run: a table with a note below it, or each spec as a line of JSON."""
    if json_lines:
        for spec in specs:
            print(spec.json_line())
    else:
        screen.show(plan_table(specs), *filter(None, [note]), width=200)


def plan_table(specs: Sequence[RunSpec]) -> Table:
    """A row for each run that would be started."""
    shown = {path for column, path in _PLANNED if path}
    varied = [path for path in differing(specs) if path in _AXES]
    also = [_also(path) for path in dict.fromkeys([*_asked_for(specs), *varied]) if path not in shown]
    columns = [column for column, _ in _PLANNED]
    title = f"{counted(len(specs), 'run')}, none started"
    return Table.of([*columns[:-2], *also, *columns[-2:]], specs, title=title, layout="framed", leaving=_LEAVING)


def _asked_for(specs: Sequence[RunSpec]) -> list[str]:
    """The paths of the fields that are younger than the first specs and that any of these sets."""
    return [path for path in _YOUNGER if any(_is_set(spec, path) for spec in specs)]


def _is_set(spec: RunSpec, path: str) -> bool:
    unsaid: Any = spec.unsaid()
    for name in path.split("."):
        unsaid = unsaid.get(name) if isinstance(unsaid, dict) else unsaid
    return unsaid is not True


def _also(path: str) -> Column[RunSpec]:
    """A column for a field that has none of its own, under the name of its option."""
    name = next((each.name for each in RUN if each.fills == path), path)
    heading = name.replace("-", "\n", 1)
    return Column(name, partial(value_at, path=path), heading=heading, whole=True)


def _weights(spec: RunSpec) -> int | None:
    """Trainable numbers; None of a user's own model, which is not made here."""
    if spec.model.source:
        return None
    return parameters.count(spec.job(tasks.load(spec.task, spec.parameters, spec.seed)).model)


def _parameters(spec: RunSpec) -> str:
    return ", ".join(f"{name}={value}" for name, value in spec.parameters.items())


def _layers(spec: RunSpec) -> str:
    return f"{spec.model.layers}{'×2' if spec.model.bidirectional else ''}"


#: The columns of every plan, each with the path of the field that it shows. Others stand before the last two.
_PLANNED: Sequence[tuple[Column[RunSpec], str | None]] = (
    (Column("task", lambda spec: f"{spec.task} ({spec.preset})"), "task"),
    (Column("parameters", _parameters, prose=True), "parameters"),
    (Column("cell", attrgetter("model.name")), "model.cell"),
    (Column("backend", attrgetter("backend")), "backend"),
    (Column("variant", attrgetter("variant")), "variant"),
    (Column("device", attrgetter("device")), "device"),
    (Column("precision", attrgetter("precision")), "precision"),
    (Column("layers", _layers, right=True), "model.layers"),
    (Column("hidden", attrgetter("model.hidden"), kind="Int64", write=str), "model.hidden"),
    (Column("weights", _weights, kind="Int64"), None),
    (Column("batch", attrgetter("batch"), kind="Int64", write=str), "batch"),
    (Column("steps", attrgetter("steps"), kind="Int64"), "steps"),
    (Column("lr", attrgetter("optimizer.lr"), kind="float64", write="{:g}".format), "optimizer.lr"),
    (Column("seed", attrgetter("seed"), kind="Int64", write=str), "seed"),
    (Column("threads", attrgetter("threads"), kind="Int64", write=str), "threads"),
)
_AXES = {each.fills for each in RUN if each.repeatable}
_YOUNGER = (*sorted(RunSpec.younger), *(f"optimizer.{name}" for name in sorted(Optimizer.younger)))
#: Which of these leave first where a terminal has no room for all.
_LEAVING = ("precision", "device", "threads", "layers", "weights", "batch", "hidden", "seed")
