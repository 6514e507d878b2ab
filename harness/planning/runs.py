"""Plans runs: from options to specs. What cannot be right is refused before anything runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple

from packaging.version import InvalidVersion, Version
from pydantic import ValidationError

import backends
import tasks
from backends.job import CELLS
from backends.own import OWN
from backends.parameters import WHOLE
from harness.errors import UsageError
from harness.machine import cgroups
from harness.machine.process import available_cpus
from harness.machine.topology import parse_cpus
from harness.planning.limits import check_run, usable_memory
from harness.processes import supervise
from harness.specs import own as own_files
from harness.specs.base import one_line
from harness.specs.options import RUN, complete, filled, nested, option, option_named
from harness.specs.run import RunSpec
from harness.text import number, ranges
from tasks.base import DataUnavailable, Preset, Scalar, Task, TaskError
from tasks.datasets import MissingData
from tasks.registry import UnknownName, nearest

#: Few enough that a default run is comparable across most machines.
DEFAULT_THREADS = 2
DEFAULT_CHUNK = 10
MOST_SEEDS = 10_000
#: Most evaluations where a number of epochs is asked for: each falls on the end of an epoch.
MOST_EVALUATIONS = 100
#: What runs that may be compared share comes before what they differ in, so that they follow one another.
BEFORE, AFTER = ("task", "parameter", "cell"), ("seed", "backend", "device", "variant")
#: Between them, in the order of the options: each is an axis, whose values multiply with the others'.
BETWEEN = tuple(
    each.parameter for each in RUN if each.repeatable and each.fills and each.parameter not in (*BEFORE, *AFTER)
)


def plan(given: Mapping[str, Any], anywhere: bool = False) -> list[RunSpec]:
    """The specs of all runs asked for, in the order in which they will run: the last axis changes first.

    The axes are ``BEFORE``, ``BETWEEN`` and ``AFTER``, in this order.

    Args:
        given: options of ``harness run`` by their names in Python (``evaluate_every``); the others have their defaults.
            Those that are repeatable have one value or a list of them.
        anywhere: the runs were, or will be, made on another machine: what this one could not run is not refused, no
            backend is started to ask what it has, and the variant ``all`` stays open, as ``auto``.

    Raises:
        UsageError: a name, size or combination that cannot be right, in one line.
    """
    options = complete(RUN, given)
    own = _own_model(options) if options["model"] is not None else {}
    if options["epochs"] is not None and options["steps"]:
        raise UsageError("--epochs and --steps: give one of them")
    seeds = seeds_of(options["seeds"], options["seed"] or [])
    try:
        task_names = expand(options["task"], tasks.registry.names(), partial(_check_task, options["parameter"] or []))
        backend_names = expand(list(by_version(options["backend"])), backends.registry.names(), backends.registry.check)
        cells = [OWN] if own else expand(options["cell"], CELLS, check_cell)
        variants = options["variant"] or ["auto"]
        probes = {} if anywhere else _probes(variants, backend_names)
        presets = [(name, *each) for name in task_names for each in _presets(name, task_names, options)]
        between = {name: list(dict.fromkeys(options[name] or [None])) for name in BETWEEN}
        axes = {"cell": cells, **between, "seed": seeds, "backend": backend_names,
                "device": list(dict.fromkeys(map(check_device, options["device"])))}  # fmt: skip
        rest = {**options, "variant": None, "model": None}
        limits = _Limits.none() if anywhere else _Limits.here(named_cpus(options["cpus"]))
        specs = [
            _spec(
                {**rest, "task": task, "parameter": parameters, **dict(zip(axes, values, strict=True))},
                preset,
                own,
                limits,
            )
            for (task, preset, parameters), *values in product(presets, *axes.values())
        ]
    except (UnknownName, TaskError, MissingData) as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(one_line(error)) from None
    return [each for spec in specs for each in _variants(spec, variants, probes.get(spec.backend))]


def _own_model(options: dict[str, Any]) -> dict[str, Any]:
    """The spec fields of a model of a user's own, by their paths; ``options`` then name the backend that trains it.

    Raises:
        UsageError: it cannot be had, or another option asks for what it does not have.
    """
    path, name = own_files.split(options["model"])
    for flag, usual in (("cell", [OWN]), ("variant", [OWN])):
        if (asked := options[flag]) and asked not in (usual, ["auto"], list(option("cell").default)):
            raise UsageError(f"--{flag} {asked[0]}: a model of your own comes in place of a cell and its variants")
    sha256, found = own_files.noted(path), supervise.inspect(path.resolve(), name, options["timeout"])
    if not found.backends:
        raise UsageError(f"--model: {found.problem}")
    if options["backend"] == list(option("backend").default):
        options["backend"] = found.backends
    if others := [word for word in by_version(options["backend"]) if word not in [*found.backends, *found.lacking]]:
        which = ", ".join(found.backends)
        raise UsageError(f"--backend {others[0]}: {name or path.name} is a model for {which}; leave --backend out")
    return {"model.cell": OWN, "model.source": f"{path.name}:{name}".removesuffix(":"), "model.sha256": sha256}


def only_in_run(options: Mapping[str, Any]) -> None:
    """Raises UsageError for options that other commands, which take those of ``harness run``, do nothing with."""
    for name in ("save", "start", "resume", "retry", "tries"):
        if options[name]:
            raise UsageError(f"--{option_named(name).name} is for harness run alone")


def seeds_of(seeds: str | None, seed: Sequence[int]) -> list[int]:
    """The seeds asked for: ``--seeds 5`` is 0 to 4, ``--seeds 3,7`` is 3 and 7; without it each ``--seed``, or 0.

    Raises:
        UsageError: both were given, or the text is neither a number nor a list.
    """
    if seeds is None:
        return list(seed) or [0]
    if seed:
        raise UsageError("--seed and --seeds: give one of them")
    words = [word.strip() for word in seeds.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) <= 19 for word in words):
        raise UsageError(f"--seeds takes a number of seeds, or a list such as 0,3,7, not {seeds[:40]!r}")
    found = [int(word) for word in words]
    if len(found) == 1:
        if not 1 <= found[0] <= MOST_SEEDS:
            raise UsageError(f"--seeds: from 1 to {MOST_SEEDS:,} seeds, not {found[0]:,}")
        return list(range(found[0]))
    if len(set(found)) < len(found):
        raise UsageError(f"--seeds names a seed twice: {seeds[:40]}")
    return found


def split_version(word: str) -> tuple[str, str | None]:
    """Backend and version of ``torch@2.13.0``; the version is None where none is named.

    Raises:
        UsageError: what follows the @ is no version.
    """
    name, at, version = word.partition("@")
    if not at:
        return name, None
    try:
        return name, str(Version(version))
    except InvalidVersion:
        raise UsageError(f"backend: {version[:40]!r} is no version; as in torch@2.13.0") from None


def by_version(words: Sequence[str]) -> dict[str, list[str | None]]:
    """The backends asked for, each with its framework's versions; None stands for the version installed here.

    Raises:
        UsageError: as ``split_version``.
    """
    found: dict[str, list[str | None]] = {}
    for name, version in map(split_version, words):
        found.setdefault(name, []).append(version)
    return {name: list(dict.fromkeys(versions)) for name, versions in found.items()}


def expand(asked: Sequence[str], known: Iterable[str], check: Callable[[str], str]) -> list[str]:
    """The names asked for, without repetition; ``all`` stands for every known one.

    Args:
        check: gives the name that a word stands for; raises UnknownName.
    """
    names = [name for word in asked for name in (known if word == "all" else [check(word)])]
    return list(dict.fromkeys(names))


def _check_task(words: Sequence[str], name: str) -> str:
    """``name``, if it is a task's. Raises as ``_kind``."""
    _kind(name, words)
    return name


def _kind(name: str, words: Sequence[str]) -> type[Task]:
    """The class of a task, or of the data set that ``-P data=DIGEST`` names, as a record's command does.

    Raises:
        UnknownName, TaskError, MissingData: as ``tasks.kind``.
    """
    digest = next((word.removeprefix("data=") for word in words if word.startswith("data=")), None)
    return tasks.kind(name, {} if digest is None else {"data": digest})


def check_cell(name: str) -> str:
    """``name``, if it is a cell's. Raises UnknownName."""
    if name not in CELLS:
        raise UnknownName(nearest("cell", name, list(CELLS)))
    return name


def check_device(name: str) -> str:
    """``name``, if it names no GPU by its number. Raises UnknownName."""
    device, colon, number = name.partition(":")
    if device == "cuda" and colon:
        which = number if number.isdecimal() else "N"
        raise UnknownName(f"device: {name!r}: a worker sees one GPU, cuda; choose it with CUDA_VISIBLE_DEVICES={which}")
    return name


def _presets(
    name: str, task_names: Sequence[str], options: Mapping[str, Any]
) -> Iterator[tuple[Preset, dict[str, Scalar]]]:
    """A task's preset with all of its parameters: those given, then the preset's, then the task's defaults.

    Once for each combination of the values that are given of its parameters.
    """
    kind = _kind(name, options["parameter"] or [])
    if options["preset"] not in kind.presets:
        raise UnknownName(nearest(f"preset of {name}", options["preset"], list(kind.presets)))
    preset = kind.presets[options["preset"]]
    given = _parameters(kind, options["parameter"] or [], task_names)
    for values in product(*given.values()):
        chosen = dict(zip(given, values, strict=True))
        yield preset, tasks.load(name, {**preset.parameters, **chosen}).parameters


def _parameters(kind: type[Task], words: Sequence[str], task_names: Sequence[str]) -> dict[str, list[Scalar]]:
    """The values of ``-P NAME=VALUE`` for one task, by name and without repetition.

    With several tasks, each takes the parameters that it has.
    """
    given: dict[str, dict[Scalar, None]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise TaskError(f"-P takes name=value, not {word!r}")
        if len(task_names) == 1 or name in kind.defaults():
            given.setdefault(name, {})[kind.parse(name, text)] = None
    if len(task_names) > 1:
        known = {name for each in task_names for name in _kind(each, words).defaults()}
        for name in (word.partition("=")[0] for word in words):
            if name not in known:
                raise TaskError(nearest("parameter of any of these tasks", name, sorted(known)))
    return {name: list(values) for name, values in given.items()}


class _Limits(NamedTuple):
    """What this machine allows, found out once for all specs of a plan.

    Attributes:
        cpus: those that the user named; None for all that this process may use.
        threads: the default number.
        memory: bytes that this process may use; None where unknown.
        checked: whether a run must fit.
    """

    cpus: Sequence[int] | None
    threads: int
    memory: int | None
    checked: bool = True

    @classmethod
    def here(cls, cpus: Sequence[int] | None) -> _Limits:
        return cls(cpus, default_threads(cpus).number, usable_memory())

    @classmethod
    def none(cls) -> _Limits:
        """Those of a machine that nobody knows."""
        return cls(None, DEFAULT_THREADS, None, checked=False)


def _spec(chosen: Mapping[str, Any], preset: Preset, own: Mapping[str, Any], limits: _Limits) -> RunSpec:
    """The spec of one run: one value for each option, and the preset's for what they leave open.

    Args:
        own: fields of a model of a user's own, by their paths.
    """
    given = filled(RUN, chosen)
    fields = {
        **_from_preset(preset), "threads": limits.threads,
        **_start_of(given.get("initialisation.recurrent")),
        **({"optimizer.clip": None} if "optimizer.clip_value" in given else {}), **given, **own,
    }  # fmt: skip
    if chosen["epochs"] is not None:
        steps, every = _in_updates(chosen, fields["batch"])
        fields = {"evaluate_every": every, **fields, "steps": steps}
    steps = fields["steps"]
    fields.setdefault("chunk", max(1, min(DEFAULT_CHUNK, steps // 10)))
    fields.setdefault("evaluate_every", max(1, min(preset.evaluate_every, steps)))
    spec = RunSpec.model_validate(nested(fields))
    if not limits.checked:
        return spec
    check_threads(spec.threads, limits.cpus)
    size = _training_sequences(spec, limits.memory)
    if size is not None and spec.batch > size:
        raise _too_large(spec.task, size, spec.batch)
    return spec


def _too_large(task: str, size: int, batch: int) -> UsageError:
    return UsageError(f"batch: {task} has {size:,} training sequences, a batch of {batch:,} is larger")


def _in_updates(chosen: Mapping[str, Any], batch: int) -> tuple[int, int]:
    """Updates of the epochs that are asked for, and updates between two evaluations, which fall on ends of epochs.

    Raises:
        UsageError: training draws fresh sequences without end, or has too few for a batch.
    """
    if batch < 1:
        raise UsageError(f"batch: at least 1, not {batch}")
    task = tasks.load(chosen["task"], chosen["parameter"], chosen["seed"])
    try:
        per_epoch = task.updates_per_epoch(batch)
    except DataUnavailable as error:
        raise UsageError(f"--epochs: {error}") from None
    if per_epoch is None:
        raise UsageError(f"--epochs: {task.name} draws fresh sequences without end, so it has no epochs; use --steps")
    if not per_epoch:
        raise _too_large(task.name, task.size("train") or 0, batch)
    epochs: int = chosen["epochs"]
    return epochs * per_epoch, per_epoch * -(-epochs // MOST_EVALUATIONS)


def _start_of(framework: str | None) -> dict[str, Any]:
    """What else a framework's own start decides, unless it is given; nothing for other schemes."""
    if framework not in WHOLE:
        return {}
    return {"initialisation.input": framework, "initialisation.forget_bias": 1.0 if framework == "keras" else 0.0}


def _training_sequences(spec: RunSpec, memory: int | None) -> int | None:
    """How many sequences the task has; None for as many as are asked for, or where its data is missing.

    Raises:
        UsageError: memory cannot hold the run, or no record its figures.
    """
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    try:
        check_run(spec, task, memory)
        return task.size("train")
    except DataUnavailable:
        return None  # the run itself will say so; the others go on


def _from_preset(preset: Preset) -> dict[str, Any]:
    """The spec fields that a preset gives, by their paths."""
    return {
        "model.hidden": preset.hidden, "batch": preset.batch, "steps": preset.steps,
        "optimizer.name": preset.optimizer, "optimizer.lr": preset.lr, "optimizer.clip": preset.clip or None,
        "initialisation.forget_bias": preset.forget_bias,
    }  # fmt: skip


class Threads(NamedTuple):
    """A number of threads, and in a clause why it is not the usual one; None where it is."""

    number: int
    why: str | None = None


def default_threads(cpus: Sequence[int] | None = None, quota: float | None = None) -> Threads:
    """DEFAULT_THREADS, or fewer where fewer CPUs, or less of their time, may be used.

    Args:
        cpus: those that the user named; None for all that this process may use.
        quota: of the control groups, in CPUs; None for what the kernel says.
    """
    usable = len(available_cpus() if cpus is None else cpus)
    quota = cgroups.cpu_quota() if quota is None else quota
    found = [Threads(DEFAULT_THREADS), Threads(usable, f"{usable} CPU may be used")]
    if quota is not None:
        within = cgroups.threads_within(quota)
        found.append(Threads(within, f"the control group's quota is {number(quota)} CPU"))
    return min(found, key=attrgetter("number"))


def threads_note(threads: int | None, cpus: Sequence[int] | None = None, quota: float | None = None) -> str | None:
    """What a person should know of the number of threads before anything runs, in one line; None for nothing.

    Args:
        threads: asked for; None for the default.
        cpus, quota: as for ``default_threads``.
    """
    usual = default_threads(cpus, quota)
    if threads is None:
        return usual.why and f"threads: {usual.number} and not {DEFAULT_THREADS}: {usual.why}"
    quota = cgroups.cpu_quota() if quota is None else quota
    if quota is not None and threads > cgroups.threads_within(quota):
        return f"threads: {threads} will be stopped again and again: the control group's quota is {number(quota)} CPU"
    return None


def check_threads(threads: int, cpus: Sequence[int] | None = None) -> None:
    """Raises UsageError where fewer CPUs than threads may be used.

    Args:
        cpus: those that the user named; None for all that this process may use.
    """
    if cpus is not None and threads > len(cpus):
        raise UsageError(f"--cpus names {len(cpus)}, fewer than the {threads} threads")
    if threads > len(available_cpus()):
        raise UsageError(f"threads: this process may use {len(available_cpus())} CPUs, not {threads}")


def named_cpus(text: str | None) -> list[int] | None:
    """The CPUs of ``--cpus 4-7``; None where none are named.

    Raises:
        UsageError: the text is no list of CPUs, or this process may not use one of them.
    """
    if text is None:
        return None
    if not hasattr(os, "sched_setaffinity"):
        raise UsageError("--cpus: this system ties no process to CPUs")
    try:
        found = parse_cpus(text)
    except ValueError:
        raise UsageError(f"--cpus takes numbers of CPUs, such as 4-7 or 0,2, not {text[:40]!r}") from None
    if absent := sorted(set(found) - set(available_cpus())):
        raise UsageError(f"--cpus: this process may not use CPU {absent[0]}; it may use {ranges(available_cpus())}")
    return found


def _probes(variants: Sequence[str], backend_names: Sequence[str]) -> dict[str, Any]:
    """What each backend has, by its name; nothing where only ``auto`` is asked for, so that no backend is started.

    Raises:
        UsageError: none of the backends has a variant. Where only some lack it, their runs say so.
    """
    if set(variants) == {"auto"}:
        return {}
    probes = dict(zip(backend_names, supervise.probe(backend_names), strict=True))
    known = {name for found in probes.values() for name in found["variants"]} | {"auto", "all"}
    for variant in variants:
        if known.isdisjoint({backends.current_variant(name, variant) for name in backend_names}):
            unsaid = [f"{name} could not say: {found['reason']}" for name, found in probes.items() if found["reason"]]
            what = nearest(f"variant of {', '.join(backend_names)}", variant, sorted(known))
            raise UsageError("; ".join([what, *unsaid]))
    return probes


def _variants(spec: RunSpec, variants: Sequence[str], probe: Mapping[str, Any] | None) -> list[RunSpec]:
    """The spec with each of the variants under its present name; ``all`` stands for those that the backend has for the
    device.
    """
    every = {} if probe is None or probe["reason"] else probe["variants"]
    here = [name for name, about in every.items() if spec.device in about["devices"]] or ["auto"]
    names = [
        name
        for variant in variants
        for name in (here if variant == "all" else [backends.current_variant(spec.backend, variant)])
    ]
    return [spec.model_copy(update={"variant": name}) for name in dict.fromkeys(names)]
