"""A run in a few words."""

from __future__ import annotations

from collections.abc import Iterable

from harness.records.run import Record
from harness.text import printable


def reasons(records: Iterable[Record]) -> list[str]:
    """One line for every record that is not ok: what was asked for, how it ended and why."""
    return [
        printable(f"{run_name(record)}: {record.status}{f': {record.reason}' if record.reason else ''}")
        for record in records
        if record.status != "ok"
    ]


def run_name(record: Record) -> str:
    """A run in a few words: "copy quick lstm torch nn", and " on cuda" where it was to be there."""
    spec = record.spec
    where = "" if spec.device == "cpu" else f" on {spec.device}"
    return f"{spec.task} {spec.preset} {spec.model.cell} {spec.backend} {record.variant or spec.variant}{where}"
