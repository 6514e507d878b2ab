"""Numbers, names and reasons as text for a terminal, a page or a figure."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: From here on a number that is not whole is written with an exponent: its digits mean nothing, and fill a page.
IN_FULL = 1e15


def printable(text: str) -> str:
    """The text as one line without control characters: text from a library or record must not control a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def number(value: float, digits: int = 3) -> str:
    """A number for people: ``digits`` significant digits, thousands separated; whole numbers in full."""
    if isinstance(value, int):
        return f"{value:,d}"
    if 10**digits - 0.5 <= abs(value) < IN_FULL:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


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
