"""Numbers, names and reasons as text for a terminal, a page or a figure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

#: How characters are written where an output lacks them; compatible forms (² as 2) need no entry.
_SPELLED: Final[Mapping[str, str]] = {
    "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "·": "|", "≥": ">=", "≤": "<=", "±": "+-", "→": "->",
    "√": "sqrt ", "∞": "inf", "µ": "u", "μ": "u", "▁": "_", "▂": ".", "▃": ":", "▄": "-", "▅": "=", "▆": "+",
    "▇": "*", "█": "#",
}  # fmt: skip

#: From here on a number that is not whole is written with an exponent: its digits mean nothing, and fill a page.
IN_FULL = 1e15


def printable(text: str) -> str:
    """The text as one line without control characters: text from a library or record must not control a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def harmless(text: str, keep: str = "\n\t") -> str:
    """The text with every character that could control a terminal replaced, line by line as it was.

    Args:
        keep: control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _stand_in(c) for c in text)


def _stand_in(character: str) -> str:
    """A blank; for a byte of a file's name that is no character, the sign for such."""
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= character <= "\udfff" else " "


def spelled(text: str, encoding: str) -> str:
    """The text in characters that ``encoding`` has: × as x, … as three dots, and a question mark where nothing fits."""
    return text if _has(encoding, text) else "".join(_spelled(c, encoding) for c in text)


def _spelled(character: str, encoding: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    choices = (character, _SPELLED.get(character), _frame(character), bare)
    return next((choice for choice in choices if choice and _has(encoding, choice)), "?")


def _frame(character: str) -> str | None:
    """A line of a table's frame: horizontal, vertical or a corner; None for other characters."""
    if not "\u2500" <= character <= "\u257f":
        return None
    return "-" if character in "─━┄┈═╌" else "|" if character in "│┃┆┊║╎" else "+"


def _has(encoding: str, text: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def number(value: float, digits: int = 3) -> str:
    """A number for people: ``digits`` significant digits, thousands separated; whole numbers in full."""
    if isinstance(value, int):
        return f"{value:,d}"
    if 10**digits - 0.5 <= abs(value) < IN_FULL:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def counted(count: int, what: str) -> str:
    """A number of things: 1 run, 2 runs."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def machine_text(processor: str, logical_cpus: int) -> str:
    """A machine by its processor: AMD EPYC, 2 logical CPUs."""
    return f"{processor}, {counted(logical_cpus, 'logical CPU')}"


def duration(seconds: float) -> str:
    """A length of time for people: 3.2 s, 14 min, 2 h 5 min, 3 days 4 h."""
    if seconds < 99.5:
        return f"{number(seconds, 2)} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days:,} days {hours} h" if hours else f"{days:,} days"


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
