"""``harness list``: what there is, and why what cannot run here cannot."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

import tasks
from backends.job import CELL_SUMMARIES, CELLS
from harness.processes.supervise import probe_all
from tasks.base import Task


def print_list() -> None:
    """Tasks, cells, backends and variants. Each backend answers from a process of its own."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    probes = probe_all()
    for part in (_tasks(), _cells(), _backends(probes), _variants(probes)):
        console.print(part)
        console.print()


def _tasks() -> Table:
    shown = Table(title="Tasks")
    for heading in ("task", "preset", "parameters", "hidden", "batch", "steps", "about"):
        shown.add_column(heading, justify="right" if heading in ("hidden", "batch", "steps") else "left")
    for name in tasks.registry.names():
        kind: type[Task] = tasks.registry.load(name)
        for number, (preset, sizes) in enumerate(kind.presets.items()):
            parameters = {**kind.defaults(), **sizes.parameters}
            shown.add_row(
                "" if number else name, preset, ", ".join(f"{k}={v}" for k, v in parameters.items()),
                str(sizes.hidden), str(sizes.batch), f"{sizes.steps:,}", Text("" if number else kind.summary),
            )  # fmt: skip
        shown.add_section()
    return shown


def _cells() -> Table:
    shown = Table(title="Cells")
    shown.add_column("cell")
    shown.add_column("about")
    for cell in CELLS:
        shown.add_row(cell, CELL_SUMMARIES[cell])
    return shown


def _backends(probes: list[dict[str, Any]]) -> Table:
    shown = Table(title="Backends")
    for heading in ("backend", "version", "device", "usable here"):
        shown.add_column(heading)
    for found in probes:
        devices = found["devices"] or {"": found["reason"]}
        for number, (device, reason) in enumerate(devices.items()):
            shown.add_row(
                "" if number else found["name"], "" if number else found["version"] or "—",
                device, Text(f"no: {reason}" if reason else "yes"),
            )  # fmt: skip
    return shown


def _variants(probes: list[dict[str, Any]]) -> Table:
    shown = Table(title="Variants")
    for heading in ("backend", "variant", "tier", "about", "cannot compute"):
        shown.add_column(heading)
    for found in probes:
        for name, about in found["variants"].items():
            without = "; ".join(f"{cell}: {why}" for cell, why in about["without"].items())
            shown.add_row(found["name"], name, about["tier"], Text(about["summary"]), Text(without))
    return shown
