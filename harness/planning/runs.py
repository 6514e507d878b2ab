"""Plans runs: from options to specs. What cannot be right is refused before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import ValidationError

import backends
import tasks
from backends.job import CELLS
from harness.errors import UsageError
from harness.machine.process import available_cpus
from harness.processes import supervise
from harness.specs.base import one_line
from harness.specs.options import RUN, complete, filled, nested
from harness.specs.run import RunSpec
from tasks.base import DataUnavailable, Preset, Scalar, Task, TaskError
from tasks.registry import UnknownName, nearest

#: Few enough that a default run is comparable across most machines.
DEFAULT_THREADS = 2
DEFAULT_CHUNK = 10
MOST_SEEDS = 10_000


def plan(given: Mapping[str, Any]) -> list[RunSpec]:
    """The specs of all runs asked for, in the order in which they will run.

    Args:
        given: options of ``harness run`` by their names in Python (``evaluate_every``); the others have their defaults.
            Those that are repeatable have one value or a list of them.

    Raises:
        UsageError: a name, size or combination that cannot be right, in one line.
    """
    options = complete(RUN, given)
    seeds = seeds_of(options["seeds"], options["seed"] or [])
    try:
        task_names = expand(options["task"], tasks.registry.names(), tasks.registry.check)
        backend_names = expand(list(by_version(options["backend"])), backends.registry.names(), backends.registry.check)
        cells = expand(options["cell"], CELLS, check_cell)
        probes = _probes(options["variant"], backend_names)
        presets = [(name, *_preset(name, task_names, options)) for name in task_names]
        specs = [
            _spec({**options, "task": task, "parameter": parameters, "cell": cell, "seed": seed, "backend": backend,
                   "device": device}, preset)
            for (task, preset, parameters), cell, seed, backend, device in product(
                presets, cells, seeds, backend_names, list(dict.fromkeys(options["device"]))
            )
        ]  # fmt: skip
    except (UnknownName, TaskError) as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(one_line(error)) from None
    return [each for spec in specs for each in _variants(spec, probes.get(spec.backend))]


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
    """Backend and version of ``torch@2.13.0``; the version is None where none is named."""
    name, at, version = word.partition("@")
    return name, version if at else None


def by_version(words: Sequence[str]) -> dict[str, list[str | None]]:
    """The backends asked for, each with its framework's versions; None stands for the version installed here."""
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


def check_cell(name: str) -> str:
    """``name``, if it is a cell's. Raises UnknownName."""
    if name not in CELLS:
        raise UnknownName(nearest("cell", name, list(CELLS)))
    return name


def _preset(name: str, task_names: Sequence[str], options: Mapping[str, Any]) -> tuple[Preset, dict[str, Scalar]]:
    """A task's preset, and all of its parameters: those given, then the preset's, then the task's defaults."""
    kind: type[Task] = tasks.registry.load(name)
    if options["preset"] not in kind.presets:
        raise UnknownName(nearest(f"preset of {name}", options["preset"], list(kind.presets)))
    preset = kind.presets[options["preset"]]
    given = _parameters(kind, options["parameter"] or [], task_names)
    return preset, tasks.load(name, {**preset.parameters, **given}).parameters


def _parameters(kind: type[Task], words: Sequence[str], task_names: Sequence[str]) -> dict[str, Scalar]:
    """The values of ``-P NAME=VALUE`` for one task. With several tasks, each takes the parameters that it has."""
    given: dict[str, Scalar] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise TaskError(f"-P takes name=value, not {word!r}")
        if len(task_names) == 1 or name in kind.defaults():
            given[name] = kind.parse(name, text)
    if len(task_names) > 1:
        known = {name for each in task_names for name in tasks.registry.load(each).defaults()}
        for name in (word.partition("=")[0] for word in words):
            if name not in known:
                raise TaskError(nearest("parameter of any of these tasks", name, sorted(known)))
    return given


def _spec(chosen: Mapping[str, Any], preset: Preset) -> RunSpec:
    """The spec of one run: one value for each option, and the preset's for what they leave open."""
    fields = {**_from_preset(preset), "threads": default_threads(), **filled(RUN, chosen)}
    steps = fields["steps"]
    fields.setdefault("chunk", max(1, min(DEFAULT_CHUNK, steps // 10)))
    fields.setdefault("evaluate_every", max(1, min(preset.evaluate_every, steps)))
    spec = RunSpec.model_validate(nested(fields))
    check_threads(spec.threads)
    size = _training_sequences(spec)
    if size is not None and spec.batch > size:
        raise UsageError(f"batch: {spec.task} has {size:,} training sequences, a batch of {spec.batch:,} is larger")
    return spec


def _training_sequences(spec: RunSpec) -> int | None:
    """How many sequences the task has; None for as many as are asked for, or where its data is missing."""
    try:
        return tasks.load(spec.task, spec.parameters, spec.seed).size("train")
    except DataUnavailable:
        return None  # the run itself will say so; the others go on


def _from_preset(preset: Preset) -> dict[str, Any]:
    """The spec fields that a preset gives, by their paths."""
    return {
        "model.hidden": preset.hidden, "batch": preset.batch, "steps": preset.steps,
        "optimizer.name": preset.optimizer, "optimizer.lr": preset.lr, "optimizer.clip": preset.clip or None,
        "initialisation.forget_bias": preset.forget_bias,
    }  # fmt: skip


def default_threads() -> int:
    """DEFAULT_THREADS, or fewer where this process may use fewer CPUs."""
    return min(DEFAULT_THREADS, len(available_cpus()))


def check_threads(threads: int) -> None:
    """Raises UsageError where this process may not use as many CPUs as threads are asked for."""
    if threads > len(available_cpus()):
        raise UsageError(f"threads: this process may use {len(available_cpus())} CPUs, not {threads}")


def _probes(variant: str | None, backend_names: Sequence[str]) -> dict[str, Any]:
    """What each backend has, by its name; nothing where ``auto`` is asked for, so that no backend is started.

    Raises:
        UsageError: none of the backends has the variant. Where only some lack it, their runs say so.
    """
    if variant in (None, "auto"):
        return {}
    probes = {name: supervise.probe(name) for name in backend_names}
    known = {name for found in probes.values() for name in found["variants"]} | {"auto", "all"}
    if known.isdisjoint({backends.current_variant(name, str(variant)) for name in backend_names}):
        raise UsageError(nearest(f"variant of {', '.join(backend_names)}", str(variant), sorted(known)))
    return probes


def _variants(spec: RunSpec, probe: Mapping[str, Any] | None) -> list[RunSpec]:
    """A spec for each variant that the backend has for the device where ``all`` was asked for; else the spec itself,
    its variant under its present name.
    """
    if spec.variant == "auto":
        return [spec]
    if spec.variant != "all":
        return [spec.model_copy(update={"variant": backends.current_variant(spec.backend, spec.variant)})]
    variants = {} if probe is None or probe["reason"] else probe["variants"]
    names = [name for name, about in variants.items() if spec.device in about["devices"]] or ["auto"]
    return [spec.model_copy(update={"variant": name}) for name in names]
