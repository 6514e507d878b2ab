"""A bar and a line on a terminal; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from harness.presentation.progress import bar, line
from harness.records.run import Record

REPORT = {"step": 500, "loss": 0.25, "sequences_per_second": 5200.0}


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_says_where_training_is(make_record: Callable[..., Record], terminal: bool) -> None:
    console = Console(file=StringIO(), force_terminal=terminal, width=120)
    with bar(make_record().spec, "[1/2]", console) as on_progress:
        on_progress(REPORT)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("[1/2] adding lstm torch", "loss 0.25", "5,200 seq/s", "25%"):
        assert (words in text) == terminal, words


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_says_what_is_going_on(terminal: bool) -> None:
    console = Console(file=StringIO(), force_terminal=terminal, width=80)
    with line(console) as tell:
        tell("round 3 of 20")
    assert ("round 3 of 20" in console.file.getvalue()) == terminal  # type: ignore[attr-defined]
