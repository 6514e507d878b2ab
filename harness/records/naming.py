"""Short names of runs, and why runs failed."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from harness.records.kept import Run, kept
from harness.records.run import Record
from harness.text import printable

reason_of = kept("reason", attrgetter("reason"))


def reasons(records: Iterable[Run]) -> list[str]:
    """A line for each record that is not ok: which run, how it ended and why."""
    return [
        printable(f"{run_name(record)}: {record.status}{f': {reason}' if (reason := reason_of(record)) else ''}")
        for record in records
        if record.status != "ok"
    ]


def _name(record: Record) -> str:
    spec = record.spec
    where = "" if spec.device == "cpu" else f" on {spec.device}"
    return f"{spec.task} {spec.preset} {spec.model.name} {record.name}{where}"


_name_of = kept("name", _name)


def run_name(run: Run) -> str:
    """A run in a few words, as in "copy quick lstm torch nn on cuda"; the CPU goes without saying."""
    return _name_of(run)
