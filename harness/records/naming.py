"""Short names of runs, and why runs failed."""

from __future__ import annotations

from collections.abc import Iterable

from harness.records.run import Record
from harness.text import printable


def reasons(records: Iterable[Record]) -> list[str]:
    """A line for each record that is not ok: which run, how it ended and why."""
    return [
        printable(f"{run_name(record)}: {record.status}{f': {record.reason}' if record.reason else ''}")
        for record in records
        if record.status != "ok"
    ]


def run_name(record: Record) -> str:
    """A run in a few words, as in "copy quick lstm torch nn on cuda"; the CPU goes without saying."""
    spec = record.spec
    where = "" if spec.device == "cpu" else f" on {spec.device}"
    return f"{spec.task} {spec.preset} {spec.model.name} {record.name}{where}"
