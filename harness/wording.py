"""How a figure, a name or a reason is put into words, for a terminal, a page or a picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.records import Record

STATUS_STYLES = {"ok": "green", "unavailable": "yellow", "interrupted": "yellow", "timeout": "red", "failed": "red"}


def printable(text: str) -> str:
    """One line without control characters: what a library printed must not steer a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def number(value: float, digits: int = 3) -> str:
    """A number for people: three significant digits or so, thousands separated."""
    if isinstance(value, int) or abs(value) >= 10**digits - 0.5:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def score_text(value: float) -> str:
    """A score for people; nothing short of 1 is rounded up to it."""
    text = number(value)
    for digits in range(4, 17):
        if float(text.replace(",", "")) != 1 or value == 1:
            break
        text = number(value, digits)
    return text


def markdown_escape(text: str) -> str:
    """Text as Markdown shows it literally, in a table's cell as well, and never as HTML."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|~])", r"\\\1", text)


def gpu_text(facts: Mapping[str, str]) -> str:
    """A GPU as its driver tells it, in the words of nvidia-smi: name, driver, power limit; nothing of none."""
    told = {"name": "", "driver_version": "driver ", "cuda_driver_version": "CUDA ", "power.limit": "power limit "}
    return printable(", ".join(f"{word}{facts[name]}" for name, word in told.items() if facts.get(name)))


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
