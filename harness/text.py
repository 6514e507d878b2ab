"""How a figure, a name or a reason is put into words, for a terminal, a page or a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping


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
