"""Plans studies: from a study file to the runs that it asks for, each with its key on this kind of machine."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import backends
import tasks
from backends.job import CELLS
from harness.errors import UsageError
from harness.planning.runs import by_version, plan, split_version
from harness.processes import here
from harness.specs.options import option_named, value_at
from harness.specs.run import RunSpec
from harness.specs.study import MOST_RUNS, Study, flat

#: What ``all`` stands for, by option.
_ALL: Mapping[str, Callable[[], list[str]]] = {
    "backend": backends.registry.names,
    "task": tasks.registry.names,
    "cell": lambda: list(CELLS),
}


@dataclass(frozen=True)
class Planned:
    """One run of a study: its spec, the framework's version if one is asked for, its key here and that anywhere."""

    spec: RunSpec
    version: str | None
    key: str
    anywhere: str


def runs_of(study: Study, limit: int = MOST_RUNS, anywhere: bool = False) -> list[Planned]:
    """Every run of a study, each once, in the order of its axes.

    Args:
        anywhere: as for ``plan``; the runs then have no keys, which are of this machine.

    Raises:
        UsageError: something that no run can have, or more runs than ``limit``.
    """
    sizes = _size(study)
    if (count := math.prod(sizes)) > limit:
        factors = f" ({' × '.join(f'{size:,}' for size in sizes)})" if len(sizes) > 1 else ""
        raise UsageError(f"{study.path}: {count:,} runs{factors}, more than {limit:,}; --limit allows more")
    hits = [0] * len(study.exclude)
    found: dict[tuple[str, str | None], Planned] = {}
    for given in _combined(study):
        try:
            specs = plan(given, anywhere)
        except UsageError as error:
            raise UsageError(f"{study.path}: {error}") from None
        versions = by_version(given.get("backend", ["all"]))
        for spec in specs:
            digest = spec.digest
            for version in versions.get(spec.backend, [None]):
                excluded = [matches(spec, version, each) for each in study.exclude]
                hits = list(map(operator.add, hits, excluded))
                if not any(excluded):
                    keys = ("", "") if anywhere else here.keys(spec, digest, version)
                    found.setdefault((digest, version), Planned(spec, version, *keys))
    if 0 in hits:
        raise UsageError(f"{study.path}, line {study.lines[hits.index(0)]}: this exclusion is of no run")
    if not found:
        raise UsageError(f"{study.path}: every run is excluded")
    return list(found.values())


def _size(study: Study) -> list[int]:
    """How many values each axis has, zipped ones together. A variant ``all`` counts as one: only workers know."""
    sizes = [sum(len(_ALL[name]()) if each == "all" else 1 for each in values) if name in _ALL else len(values)
             for name, values in flat({**_listed(study.fixed), **study.axes})]  # fmt: skip
    return [size for size in [*sizes, *(len(flat(each)[0][1]) for each in study.zipped if each)] if size != 1]


def _listed(fixed: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [each] for name, each in fixed.items() if name != "parameter"}


def _combined(study: Study) -> Iterator[dict[str, Any]]:
    """The options of each call of ``plan``: it multiplies what may be repeated, and the rest is multiplied here."""
    repeated = {name: values for name, values in study.axes.items() if option_named(name).repeatable}
    outer = [[{name: each} for each in values] for name, values in study.axes.items() if name not in repeated]
    zipped = [list(_together(each)) for each in study.zipped]
    for chosen in product(*outer, *zipped):
        given = {**study.fixed, **repeated}
        words = _words(study.fixed.get("parameter", [])) + _words(repeated.get("parameter", {}))
        for each in chosen:
            words += _words(each.get("parameter", {}))
            given |= each
        given["parameter"] = words or None
        yield {name: _list_of(each) if option_named(name).repeatable else each for name, each in given.items()}


def _list_of(value: Any) -> list[Any] | None:
    return list(value) if isinstance(value, list | range) else None if value is None else [value]


def _together(axes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One table for each position of zipped axes."""
    pairs = flat(axes)
    for values in zip(*(values for _, values in pairs), strict=True):
        found: dict[str, Any] = {}
        for (name, _), each in zip(pairs, values, strict=True):
            outer, _, inner = name.partition(".")
            if inner:
                found.setdefault(outer, {})[inner] = [each]
            else:
                found[outer] = each
        yield found


def _words(parameters: Any) -> list[str]:
    """Task parameters as the words NAME=VALUE."""
    if isinstance(parameters, list):
        return list(parameters)
    return [f"{name}={each}" for name, values in parameters.items() for each in values]


def matches(spec: RunSpec, version: str | None, which: Mapping[str, Any]) -> bool:
    """Whether a spec has, of each of these options, one of the values: as an exclusion of a study names runs."""
    return all(_has(spec, version, name, values) for name, values in which.items())


def _has(spec: RunSpec, version: str | None, name: str, values: Any) -> bool:
    if name == "parameter":
        return all(spec.parameters.get(inner) in wanted for inner, wanted in values.items())
    if name == "backend":
        asked = [split_version(word) for word in values]
        return any(backend == spec.backend and wanted in (None, version) for backend, wanted in asked)
    if name == "task":
        return spec.task in values
    option = option_named(name)
    assert option.fills is not None
    found = value_at(spec, option.fills)
    return (option.off if found is None else found) in values
