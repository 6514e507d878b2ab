"""A verdict in the terminal."""

from __future__ import annotations

from harness.presentation.kinds import shown
from harness.presentation.screen import drawn
from tests.harness.conftest import made_record, made_verdict


def test_it_says_what_came_out_of_what_where_and_by_which_code() -> None:
    text = drawn(shown(made_verdict(updates=50, verdict="same so far", cpu="Another CPU"))[0], width=120)
    for words in (
        "adding quick lstm torch nn, seed 0  same so far", "made up", made_record().digest, "the first 50 of 2,000",
        "of the one who judged", "those that were installed", ", not measured", "processor: A", "Another CPU",
        "Xeon", "bbbbbbbbbbbb, with changes", "a" * 64,
    ):  # fmt: skip
        assert words in text, words


def test_nothing_in_it_controls_a_terminal() -> None:
    hostile = "\x1b[31m[red]x\nharness: forged"
    record = made_verdict(cpu=hostile, os=hostile, versions={hostile: hostile})
    record = record.model_copy(update={"why": hostile, "speed": hostile, "differences": [hostile]})
    text = drawn(shown(record)[0], width=120)
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert not [line for line in text.split("\n") if line.startswith("harness: forged")]
