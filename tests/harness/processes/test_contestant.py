"""A live worker as a contestant: its answers, and what becomes of one that has none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import Lost
from harness.machine.process import available_cpus
from harness.processes.channel import TimedOut, until
from harness.processes.contestant import Contestant
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec

#: A CPU for each contestant.
ONE = available_cpus()[:1]


def a_spec(variant: str = "good", **fields: object) -> SpeedSpec:
    shape = {"batch": 3, "length": 4, "features": 2, "model": Model(hidden=5), "threads": 1, "chunk": 4}
    return SpeedSpec.model_validate({**shape, "backend": "madeup", "variant": variant, **fields})


def test_a_contestant_answers_each_order(plugin: Path) -> None:
    contestant = Contestant(a_spec("fused"), until(60))
    try:
        assert not contestant.whole, "it has not said which variant it runs"
        contestant.begin(ONE)
        contestant.get_ready()
        assert (contestant.whole, contestant.chunk) == (True, 4)
        assert contestant.heard.ready is not None
        assert contestant.heard.ready.first_updates == 4
        assert contestant.turn(8).steps == 8
        contestant.steady()
        contestant.read_limits()
        contestant.finish()
    finally:
        contestant.channel.stop()
    assert len(contestant.heard.limits) == 1
    assert (contestant.heard.status, contestant.heard.reason) == ("ok", None)
    assert contestant.heard.peaks.compilations == 0


def test_an_order_that_cannot_be_carried_out_is_answered_by_the_reason(plugin: Path) -> None:
    contestant = Contestant(a_spec(), until(60))
    try:
        contestant.begin(ONE)
        contestant.get_ready()
        with pytest.raises(Lost):
            contestant.turn(6)
    finally:
        contestant.channel.stop()
    assert (contestant.heard.status, contestant.heard.reason) == (
        "failed", "6 updates are no whole number of chunks of 4",
    )  # fmt: skip


def test_a_program_that_speaks_otherwise_is_lost_with_what_it_said() -> None:
    contestant = Contestant(a_spec(), until(20), (sys.executable, "-c", "print('I am ready')"))
    try:
        contestant.begin(ONE)
        with pytest.raises(Lost):
            contestant.get_ready()
    finally:
        contestant.channel.stop()
    assert contestant.heard.status == "failed"
    assert "not JSON: 'I am ready'" in (contestant.heard.reason or "")


def test_who_is_late_is_lost_and_when_the_contest_is_over_so_is_everything() -> None:
    silent = (sys.executable, "-c", "import time; time.sleep(60)")
    late = Contestant(a_spec(), None, silent)
    over = Contestant(a_spec(), until(0.2), silent)
    try:
        late.begin(ONE, 0.1)
        with pytest.raises(Lost):
            late.get_ready()
        assert (late.heard.status, late.heard.reason) == ("timeout", "not ready after 0.1 s (--ready)")
        over.begin(ONE, 0.1)
        with pytest.raises(TimedOut):
            over.get_ready()
    finally:
        late.channel.stop()
        over.channel.stop()
