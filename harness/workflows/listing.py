"""``harness list``: tasks, cells, backends and variants, with the reason where one cannot run here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tasks
from backends.job import CELL_SUMMARIES, CELLS, Cell
from harness.presentation.screen import show
from harness.presentation.table import Column, Table
from harness.processes.supervise import probe
from tasks.base import Task

#: What a backend has, as its worker reported it: see ``protocol.Probed``.
Probe = Mapping[str, Any]


def print_list() -> None:
    """Print a table each of tasks, cells, backends and variants."""
    probes = probe()
    for table in (_tasks(), _cells(), _backends(probes), _variants(probes)):
        show(table, "", width=160)


class _Preset(NamedTuple):
    name: str
    kind: type[Task]
    preset: str
    first: bool

    @property
    def parameters(self) -> str:
        chosen = {**self.kind.defaults(), **self.kind.presets[self.preset].parameters}
        return ", ".join(f"{name}={value}" for name, value in chosen.items())

    def size(self, name: str) -> int:
        size: int = getattr(self.kind.presets[self.preset], name)
        return size


def _tasks() -> Table:
    columns: list[Column[_Preset]] = [
        Column("task", lambda each: each.name if each.first else None),
        Column("preset", lambda each: each.preset),
        Column("parameters", lambda each: each.parameters, prose=True),
        Column("hidden", lambda each: each.size("hidden"), kind="Int64", write=str),
        Column("batch", lambda each: each.size("batch"), kind="Int64", write=str),
        Column("steps", lambda each: each.size("steps"), kind="Int64"),
        Column("about", lambda each: each.kind.summary if each.first else None, prose=True),
    ]
    kinds = {name: tasks.registry.load(name) for name in tasks.registry.names()}
    groups = [
        [_Preset(name, kind, preset, number == 0) for number, preset in enumerate(kind.presets)]
        for name, kind in kinds.items()
    ]
    return Table.of(columns, *groups, title="Tasks", layout="framed")


def _cells() -> Table:
    columns: list[Column[Cell]] = [
        Column("cell", str),
        Column("about", lambda cell: CELL_SUMMARIES[cell], write=str, prose=True),
    ]
    return Table.of(columns, CELLS, title="Cells", layout="framed")


class _Device(NamedTuple):
    backend: Probe
    name: str
    reason: str | None
    first: bool


def _backends(probes: list[dict[str, Any]]) -> Table:
    columns: list[Column[_Device]] = [
        Column("backend", lambda each: each.backend["name"] if each.first else None),
        Column("version", lambda each: (each.backend["version"] or "—") if each.first else None),
        Column("device", lambda each: each.name),
        Column("usable here", lambda each: f"no: {each.reason}" if each.reason else "yes", prose=True),
    ]
    devices = [
        _Device(found, device, reason, number == 0)
        for found in probes
        for number, (device, reason) in enumerate((found["devices"] or {"": found["reason"]}).items())
    ]
    return Table.of(columns, devices, title="Backends", layout="framed")


class _Variant(NamedTuple):
    backend: str
    name: str
    about: Mapping[str, Any]

    @property
    def without(self) -> str:
        return "; ".join(f"{cell}: {why}" for cell, why in self.about["without"].items())


def _variants(probes: list[dict[str, Any]]) -> Table:
    columns: list[Column[_Variant]] = [
        Column("backend", lambda each: each.backend),
        Column("variant", lambda each: each.name),
        Column("tier", lambda each: each.about["tier"]),
        Column("about", lambda each: each.about["summary"], prose=True),
        Column("cannot compute", lambda each: each.without, prose=True),
    ]
    variants = [_Variant(found["name"], name, about) for found in probes for name, about in found["variants"].items()]
    return Table.of(columns, variants, title="Variants", layout="framed")
