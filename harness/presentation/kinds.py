"""How ``harness show`` shows a record of each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from rich.console import RenderableType

from harness.presentation import claims, contest_table, verdict_words
from harness.presentation.show import show
from harness.records.base import Sealed

#: By ``Sealed.KIND``: what draws a record, and the columns that it takes where it is no terminal's width.
SHOWN: Final[Mapping[str, tuple[Callable[[Any], RenderableType], int | None]]] = {
    "run": (show, None),
    "speed": (contest_table.terminal, 120),
    "verdict": (verdict_words.show, None),
    "claim": (claims.show, None),
}


def shown(record: Sealed) -> tuple[RenderableType, int | None]:
    """A record for a screen, and the width that it takes; None for the screen's own."""
    draw, width = SHOWN[record.KIND]
    return draw(record), width
