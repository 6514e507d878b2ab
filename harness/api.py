"""The commands as functions: ``import harness; harness.run(task="copy", backend=["torch", "jax"], seeds=3)``.

Options have the names, defaults and meaning that they have on the command line (``harness.specs.options``), with
underscores for dashes; one that may be repeated there takes a list here, too. Runs are executed as the commands execute
them, in worker processes, and leave the same records.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from harness.errors import UsageError
from harness.machine.topology import Choice
from harness.planning import contests as contest_planning
from harness.planning.runs import by_version, named_cpus, only_in_run
from harness.planning.runs import plan as planned
from harness.presentation import folders, screen
from harness.presentation.fold import FOLDED
from harness.presentation.progress import line
from harness.records.store import Store, StoreError, files, read_all
from harness.results import Compared, Results, Runs, Verified
from harness.specs.data import look_for_data_in
from harness.specs.options import (
    DEFAULT_RESULTS,
    LONGEST_AGAIN_S,
    LONGEST_ALL_S,
    QUIET,
    RUN,
    SPEED,
    STUDY,
    TUNE,
    Option,
    complete,
)
from harness.specs.run import RunSpec
from harness.specs.values import value
from harness.workflows import compare as comparing
from harness.workflows import export as exporting
from harness.workflows import tune as tuning
from harness.workflows import verify as verifying
from harness.workflows.contest import Settings
from harness.workflows.export import Exported
from harness.workflows.quiet import Quiet
from harness.workflows.run import Resume, run_each
from harness.workflows.saving import check_fit, start_of
from harness.workflows.tune import Tuning

__all__ = [
    "Compared", "Exported", "Results", "Tuning", "UsageError", "Verified", "compare", "export", "read", "run", "speed",
    "study", "tune", "verify",
]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])
Places = str | Path | Sequence[str | Path]
#: What is for the shell alone.
_OF_THE_SHELL = ("json", "dry-run", "out", "show", "forget")


def takes(*options: Option) -> Callable[[Function], Function]:
    """Give a function the signature of the options that it takes, and a line for each in its docstring."""

    def decorated(function: Function) -> Function:
        own = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        stated = [
            inspect.Parameter(each.parameter, inspect.Parameter.KEYWORD_ONLY, default=each.default)
            for each in _for_python(options)
        ]
        lines = [f"    {each.parameter}: {each.about}" for each in _for_python(options)]
        function.__signature__ = inspect.Signature([*own, *stated])  # type: ignore[attr-defined]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines, ""])
        return function

    return decorated


def _for_python(options: Sequence[Option]) -> list[Option]:
    return [each for each in options if each.name not in _OF_THE_SHELL]


def _values(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option's value by its name in Python, as planning takes them.

    Raises:
        UsageError: a name that is no option's, or a value of another type.
    """
    options = _for_python(options)
    named = {each.parameter: each for each in options}
    checked = {name: _value(named[name], each) if name in named else each for name, each in given.items()}
    return complete(options, checked)


def _value(stated: Option, given: Any) -> Any:
    return value(stated, _own_model(given) if stated.name == "model" and not isinstance(given, str | None) else given)


def _own_model(value: Any) -> str:
    """FILE:NAME of a model's class, FILE of a module with the functions ``init`` and ``apply``.

    Raises:
        UsageError: no file defines it at its top level, so that no worker can find it.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, ModuleType) and value.__file__:
        return value.__file__
    name, module = getattr(value, "__qualname__", ""), getattr(value, "__module__", None)
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if not name and not isinstance(value, ModuleType) and type(value).__module__ == "builtins":
        raise UsageError(f"model takes FILE:NAME, or a class that a file defines, not {value!r:.60}")
    if module == "__main__" and file and name.isidentifier():
        of = Path(file).name
        raise UsageError(
            f"model: {name} is of the script that is running: give model='{of}:{name}', and start runs under "
            f'if __name__ == "__main__", as the file is run again in each worker'
        )
    if module == "__main__" or not file or not name.isidentifier():
        what = name.rpartition(".")[2] or f"a {type(value).__name__}"
        raise UsageError(
            f"model: {what} is defined where no file has it at its top level, and a run has a process of its own: "
            f"write it to a file (%%writefile my_model.py) and give model='my_model.py:{what if name else 'NAME'}'"
        )
    return f"{file}:{name}"


@takes(*RUN)
def run(**options: Any) -> Results:
    """Train and measure each combination of the options' values, one process per run, as ``harness run``.

    Works in a thread and under an event loop: it returns when all runs are done. Ctrl-C ends it; what was measured is
    kept and returned.

    Raises:
        UsageError: an option that cannot be right, in one line.
        StoreError: the records' folder cannot be written to.
    """
    if isinstance(options.get("start"), Path):
        options["start"] = str(options["start"])
    values = _values(RUN, options)
    look_for_data_in(values.pop("data"))
    values, start = start_of(values)
    timeout, results, save = (values.pop(name) for name in ("timeout", "results", "save"))
    resume = Resume.asked(*(values.pop(name) for name in ("resume", "retry", "tries")))
    quiet = Quiet.taken_from(values)
    specs, store = planned({**values, "timeout": timeout}), Store(results)
    check_fit(specs, start)
    store.prepare()
    versions, cpus = by_version(values["backend"]), named_cpus(values["cpus"])
    runs = run_each(specs, store, timeout, versions, cpus, start=start, save=save, resume=resume, quiet=quiet)
    stopped = [f"interrupted; {runs.left} runs not started"] if runs.stopped else []
    return Results(runs.records, problems=stopped, ok=runs.well)


def study(
    file: str | Path,
    *,
    retry: str | None = None,
    on: str = "local",
    share: int = 1,
    address: str | None = None,
    cpus: str | None = None,
) -> Results:
    """Do what is left of a study, and return the records of all of its runs, as ``harness study``.

    Ctrl-C ends it; what was measured is kept, and the next call goes on.

    Args:
        file: the study's.
        retry: statuses whose runs are run again: ``"failed,timeout"``.
        on: ``local`` or ``ray``.
        share: runs side by side on a machine; above 1, no speed is measured.
        address: of a Ray cluster.
        cpus: to choose from, such as ``"4-7"``.

    Raises:
        UsageError: something in the file cannot be right, or an engine cannot be had; in one line.
        StoreError: the records' folder cannot be written to.
    """
    from harness.workflows import study as studying

    given = {"retry": retry, "share": share, "address": address, "cpus": cpus}
    for stated in STUDY:
        if given.get(stated.parameter) is not None:
            value(stated, given[stated.parameter])
    if not isinstance(on, str):
        raise UsageError(f"on takes a name, not {on!r:.60}")
    if not share or share < 1:
        raise UsageError(f"share is at least 1, not {share}")
    if not isinstance(file, str | Path):
        raise UsageError(f"a study is a file, not {file!r:.60}")
    engines = studying.Engines(on=on, share=share, address=address)
    work = studying.work_on(Path(file), retry, on=on)
    ok = studying.run_study(work, engines, cpus)
    return Results([record for record, done in work.records() if done], ok=ok)


@takes(*SPEED)
def speed(**options: Any) -> Results:
    """Throughput without a task: live workers take turns on random data, as ``harness speed``.

    Raises:
        UsageError: an option that cannot be right, in one line.
        StoreError: the record's folder cannot be written to.
    """
    from harness.workflows.speed import hold_all

    values = _values(SPEED, options)
    effort = {name: values.pop(name) for name in ("rounds", "block", "timeout", "starts", "ready")}
    settings, store = Settings(*effort.values()), Store(values.pop("results"))
    quiet = Quiet.taken_from(values)
    contests = contest_planning.plan(values)
    store.prepare()
    record, well = hold_all(contests, settings, store, Choice(named_cpus(values["cpus"])), quiet)
    return Results(contests=[record], ok=well)


@takes(*TUNE)
def tune(**options: Any) -> Tuning:
    """Measure the variants on this machine, and have ``auto`` take the fastest from then on, as ``harness tune``.

    Raises:
        UsageError: an option that cannot be right, in one line; or ``HARNESS_TUNED`` switches tuned choices off.
    """
    values = _values(TUNE, options)
    settings = tuning.settings(*(values.pop(name) for name in ("rounds", "block", "timeout", "ready")))
    quiet = Quiet.taken_from(values)
    return tuning.tune(tuning.plan(values), settings, Choice(named_cpus(values["cpus"])), quiet)


def compare(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    *,
    pairs: int = 160,
    restarts: int = 8,
    block: float = 0.1,
    timeout: float | None = None,
    **common: Any,
) -> Compared:
    """Which of two specs is faster and lighter, live, in turns; with several seeds also which learns more.

    Args:
        a, b: options of ``run`` for each side: ``{"backend": "torch"}``.
        pairs: of blocks, in total.
        restarts: pairs of processes that they come from.
        block: intended duration of a block, in seconds.
        timeout: longest that a pair of processes may take, in seconds.
        common: options of ``run`` for both sides.

    Raises:
        UsageError: an option that cannot be right, or a side that is more than one spec.
        CannotCompare: a side cannot run, or fails.
        TimedOut: a pair of processes took longer than ``timeout``.
    """
    effort = comparing.Effort(pairs, restarts, block, timeout)
    values = [_values(RUN, {**common, **side}) for side in (a, b)]
    cpus = [named_cpus(each["cpus"]) for each in values]
    if cpus[0] != cpus[1]:
        raise UsageError("cpus: both sides take turns on the same CPUs; name them once, outside a and b")
    asked = [{each.parameter: side.pop(each.parameter) for each in QUIET} for side in values]
    if asked[0] != asked[1]:
        raise UsageError("look, wait_quiet and require_quiet are for both sides: name them outside a and b")
    quiet = Quiet.taken_from(asked[0])
    sides = [_side(name, each) for name, each in zip("AB", values, strict=True)]
    comparing.same_seeds(*sides)
    choice = Choice(cpus[0])
    with line(screen.Screen(stderr=True)) as tell:
        found = comparing.compare(sides[0][0], sides[1][0], effort, tell, choice, quiet)
    accuracy = comparing.learned(sides, timeout, choice, quiet) if len(sides[0]) > 1 else None
    return Compared(**vars(found), accuracy=accuracy)


def _side(name: str, values: dict[str, Any]) -> list[RunSpec]:
    rest = {key: value for key, value in values.items() if key not in ("timeout", "results", "data")}
    only_in_run(rest)
    return comparing.by_seed(name, planned(rest))


def verify(
    places: Places = DEFAULT_RESULTS,
    *,
    timeout: float = LONGEST_AGAIN_S,
    within: float = LONGEST_ALL_S,
    results: str | Path | None = None,
    data: str | Path | None = None,
    model: str | Path | None = None,
    look: float | None = None,
    wait_quiet: float | None = None,
    require_quiet: bool = False,
    updates: int | None = None,
) -> Verified:
    """Run records again here and judge each, as ``harness verify``.

    Args:
        places: files and folders of records, and reports that name them.
        timeout: longest that one run may take, in seconds.
        within: longest that all of them together may take.
        results: folder to keep the new runs' records and the verdicts in; None to keep none.
        data: folder that holds ``mnist/``.
        model: file, also as FILE:NAME, or folder, of the model of your own that a record is of.
        look, wait_quiet, require_quiet: as for ``run``.
        updates: make about so many updates of each run again, and no more; None for all.

    Raises:
        UsageError: there is no such file or folder as ``model`` names, or no update is asked for.
        StoreError: the folder of ``results`` cannot be written to.
    """
    if updates is not None and (not isinstance(updates, int) or isinstance(updates, bool) or updates < 1):
        raise UsageError(f"updates is a whole number from 1 on, not {updates!r:.40}")
    look_for_data_in(None if data is None else Path(data))
    store = None if results is None else Store(Path(results))
    if store:
        store.prepare()
    own = None if model is None else Path(model)
    quiet = Quiet.asked(look, wait_quiet, require_quiet)
    rows, problems = verifying.verify_all(
        _paths(places), timeout, store, json_lines=False, within=within, model=own, quiet=quiet, updates=updates
    )
    return Verified(rows, problems)


def read(places: Places = DEFAULT_RESULTS) -> Results:
    """The records in folders, their subfolders, packs and files, copies only once.

    Raises:
        StoreError: there is none.
    """
    many = sum(1 for _ in files(_paths(places))) > FOLDED
    found = folders.read_all(_paths(places)) if many else read_all(_paths(places))
    if not found.records and not found.speeds:
        raise StoreError("; ".join([f"no records in {', '.join(map(str, _paths(places)))}", *found.problems]))
    statuses = [*(record.status for record in found.records), *(record.status for record in found.speeds)]
    runs = Runs(found.records) if many else found.runs
    return Results(runs, found.speeds, [*found.notes, *found.problems], ok=set(statuses) == {"ok"})


def export(places: Places, to: str, out: str | Path | None = None) -> Exported:
    """Write saved parameters as a framework loads them, or records into a tracker's store, as ``harness export``.

    Args:
        places: for a framework one file, of saved parameters or the record beside it; for a tracker any records.
        to: torch, keras, jax or onnx; mlflow, wandb or tensorboard; or in-toto, which takes a verdict and the record
            that it is on.
        out: the file, or the tracker's folder, to write; None for one beside the parameters, or the tracker's own.

    Returns:
        Its ``path``, and the ``code`` that loads it or the command that shows it.

    Raises:
        UsageError: there is nothing to export, or it has no equal there; in one line.
    """
    return exporting.export(_paths(places), to, None if out is None else Path(out))


def _paths(places: Places) -> list[Path]:
    if not isinstance(places, str | Path) and not isinstance(places, Sequence):
        raise UsageError(f"places takes a path or a list of paths, not {places!r:.60}")
    return [Path(places)] if isinstance(places, str | Path) else [Path(place) for place in places]
