"""Numbers, names and reasons as text for a terminal, a page or a figure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def printable(text: str) -> str:
    """The text as one line without control characters: text from a library or record must not control a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def number(value: float, digits: int = 3) -> str:
    """A number for people: ``digits`` significant digits, thousands separated; whole numbers in full."""
    if isinstance(value, int) or abs(value) >= 10**digits - 0.5:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ranges(numbers: Sequence[int]) -> str:
    """Ascending whole numbers for people: 0, 1, 2, 5 as "0-2, 5"."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1].append(each)
        else:
            parts.append([each])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def score_text(value: float) -> str:
    """A score for people; a score below 1 is never rounded up to 1."""
    text = number(value)
    for digits in range(4, 17):
        if float(text.replace(",", "")) != 1 or value == 1:
            break
        text = number(value, digits)
    return text


def markdown_escape(text: str) -> str:
    """The text escaped for Markdown, also in a table's cell, so that none of it acts as Markdown or HTML."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|~])", r"\\\1", text)


def gpu_text(facts: Mapping[str, str]) -> str:
    """A GPU's name, driver and power limit in one line, from facts named as nvidia-smi names them; empty for none."""
    labels = {"name": "", "driver_version": "driver ", "cuda_driver_version": "CUDA ", "power.limit": "power limit "}
    return printable(", ".join(f"{label}{facts[name]}" for name, label in labels.items() if facts.get(name)))
