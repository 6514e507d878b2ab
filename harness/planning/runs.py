"""From the words of the command line to run specs, refusing what cannot be right before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from harness.specs.run import RunSpec
from tasks.base import Preset, Scalar, Task, TaskError
from tasks.registry import UnknownName, nearest

#: The count on which a default run is comparable across most machines.
DEFAULT_THREADS = 2
DEFAULT_CHUNK = 10
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Request:
    """What the command line asked for; None where the preset or the default decides."""

    backends: Sequence[str] = ("all",)
    tasks: Sequence[str] = ("adding",)
    cells: Sequence[str] = ("lstm",)
    preset: str = "smoke"
    seeds: Sequence[int] = (0,)
    devices: Sequence[str] = ("cpu",)
    parameters: Sequence[str] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    initialisation: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


def request(options: Mapping[str, Any]) -> Request:
    """What the options of ``harness run``, by their names in Python, ask for.

    Raises:
        UsageError: the seeds cannot be right.
    """

    def chosen(*names: str) -> dict[str, Any]:
        return {name: options[name] for name in names}

    return Request(
        backends=list(by_version(options["backend"])),
        tasks=options["task"],
        cells=options["cell"],
        preset=options["preset"],
        seeds=seeds_of(options["seeds"], options["seed"] or []),
        devices=options["device"] or ["cpu"],
        parameters=options["parameter"] or [],
        model=chosen("hidden", "layers", "bidirectional"),
        initialisation={
            "recurrent": options["init"], "input": options["input_init"], **chosen("forget_bias", "chrono"),
        },
        optimizer={"name": options["optimizer"], **chosen("lr", "clip")},
        run=chosen(
            "batch", "steps", "variant", "precision", "threads", "denormals", "deterministic", "score_at",
            "evaluate_every", "chunk",
        ),
    )  # fmt: skip


def plan(request: Request) -> list[RunSpec]:
    """All runs asked for, in the order in which they will run.

    Raises:
        UsageError: a name, size or combination that cannot be right, in one line.
    """
    try:
        task_names = expand(request.tasks, tasks.registry.names(), tasks.registry.check)
        backend_names = expand(request.backends, backends.registry.names(), backends.registry.check)
        cells = expand(request.cells, CELLS, check_cell)
        probes = _probes(request.run.get("variant"), backend_names)
        kinds = [(name, *_parameters(name, request, alone=len(task_names) == 1)) for name in task_names]
        specs = [
            _spec(request, name, preset, parameters, backend, cell, seed, device)
            for (name, preset, parameters), cell, seed, backend, device in product(
                kinds, cells, request.seeds, backend_names, list(dict.fromkeys(request.devices))
            )
        ]
        specs = [each for spec in specs for each in _variants(spec, probes.get(spec.backend))]
    except (UnknownName, TaskError) as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(one_line(error)) from None
    return specs


def seeds_of(seeds: str | None, seed: Sequence[int]) -> list[int]:
    """The seeds asked for: ``--seeds 5`` is 0 to 4, ``--seeds 3,7`` is those two; else each ``--seed``, else 0.

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
    """``torch@2.13.0`` as the backend and the version of its framework; None where none is named."""
    name, at, version = word.partition("@")
    return name, version if at else None


def by_version(words: Sequence[str]) -> dict[str, list[str | None]]:
    """The backends asked for, each with the versions asked for; None for the one that is installed."""
    found: dict[str, list[str | None]] = {}
    for name, version in map(split_version, words):
        found.setdefault(name, []).append(version)
    return {name: list(dict.fromkeys(versions)) for name, versions in found.items()}


def expand(asked: Sequence[str], known: Iterable[str], check: Callable[[str], str]) -> list[str]:
    """The names asked for, once each, ``all`` standing for all of ``known``; ``check`` refuses the others."""
    names = [name for word in asked for name in (known if word == "all" else [check(word)])]
    return list(dict.fromkeys(names))


def check_cell(name: str) -> str:
    """``name``, if it is a cell's. Raises UnknownName."""
    if name not in CELLS:
        raise UnknownName(nearest("cell", name, list(CELLS)))
    return name


def _parameters(name: str, request: Request, alone: bool) -> tuple[Preset, dict[str, Scalar]]:
    """The preset, and the task's complete parameters under it and the command line's ``-P``."""
    kind: type[Task] = tasks.registry.load(name)
    if request.preset not in kind.presets:
        raise UnknownName(nearest(f"preset of {name}", request.preset, list(kind.presets)))
    preset = kind.presets[request.preset]
    given: dict[str, Scalar] = {}
    for word in request.parameters:
        key, equals, text = word.partition("=")
        if not equals:
            raise TaskError(f"-P takes name=value, not {word!r}")
        if alone or key in kind.defaults():
            given[key] = kind.parse(key, text)
    if not alone:
        _require_a_taker(request)
    return preset, tasks.load(name, {**preset.parameters, **given}).parameters


def _require_a_taker(request: Request) -> None:
    """With several tasks a parameter goes to those that have it; one that none has is an error."""
    names = expand(request.tasks, tasks.registry.names(), tasks.registry.check)
    known = {key for name in names for key in tasks.registry.load(name).defaults()}
    for word in request.parameters:
        key = word.partition("=")[0]
        if key not in known:
            raise TaskError(nearest("parameter of any of these tasks", key, sorted(known)))


def _spec(
    request: Request,
    name: str,
    preset: Preset,
    parameters: Mapping[str, Scalar],
    backend: str,
    cell: str,
    seed: int,
    device: str,
) -> RunSpec:
    run = stated(request.run)
    steps = run.pop("steps", preset.steps)
    fields: dict[str, Any] = {
        "task": name,
        "preset": request.preset,
        "parameters": dict(parameters),
        "seed": seed,
        "backend": backend,
        "device": device,
        "model": {"cell": cell, "hidden": preset.hidden, **stated(request.model)},
        "initialisation": {"forget_bias": preset.forget_bias, **stated(request.initialisation)},
        "optimizer": _optimizer(preset, request.optimizer),
        "batch": preset.batch,
        "steps": steps,
        "chunk": max(1, min(DEFAULT_CHUNK, steps // 10)),
        "evaluate_every": max(1, min(preset.evaluate_every, steps)),
        "threads": default_threads(),
        **run,
    }
    spec = RunSpec.model_validate(fields)
    check_threads(spec.threads)
    task = tasks.load(name, spec.parameters, seed)
    size = task.size("train")
    if size is not None and spec.batch > size:
        raise UsageError(f"batch: {name} has {size:,} training sequences, a batch of {spec.batch:,} is larger")
    return spec


def default_threads() -> int:
    """The usual number, or fewer where there are fewer CPUs."""
    return min(DEFAULT_THREADS, len(available_cpus()))


def check_threads(threads: int) -> None:
    """Raises UsageError where this process may not use as many CPUs."""
    if threads > len(available_cpus()):
        raise UsageError(f"threads: this process may use {len(available_cpus())} CPUs, not {threads}")


def _optimizer(preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"name": preset.optimizer, "lr": preset.lr, "clip": preset.clip, **stated(given)}
    return fields | {"clip": fields["clip"] or None}  # 0 switches clipping off


def stated(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the command line did give."""
    return {name: value for name, value in options.items() if value is not None}


def _probes(variant: str | None, backend_names: Sequence[str]) -> dict[str, Any]:
    """What each backend has, where the variant asked for needs to know.

    A variant that none of the backends has is a slip of the pen; one that some lack is told run by run.
    """
    if variant in (None, "auto"):
        return {}
    probes = {name: supervise.probe(name) for name in backend_names}
    known = {name for found in probes.values() for name in found["variants"]} | {"auto", "all"}
    if variant not in known:
        raise UsageError(nearest(f"variant of {', '.join(backend_names)}", str(variant), sorted(known)))
    return probes


def _variants(spec: RunSpec, probe: Mapping[str, Any] | None) -> list[RunSpec]:
    """One spec per variant of the backend where ``all`` was asked for; one that cannot compute it will say why."""
    if spec.variant != "all":
        return [spec]
    there = {} if probe is None or probe["reason"] else probe["variants"]
    names = [name for name, about in there.items() if spec.device in about["devices"]] or ["auto"]
    return [spec.model_copy(update={"variant": name}) for name in names]
