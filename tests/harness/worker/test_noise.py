"""What disturbed a measurement: counters around it, and how its block times lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.disturbance import flags
from harness.machine import cgroups
from harness.records.figures import Block
from harness.worker.noise import Counters, is_bimodal, paused, read, relative_drift
from harness.worker.noise import judge as judge_noise


def counters(wall: float, own: float, **readings: Any) -> Counters:
    usual = {"switches": 0, "steal_s": 0.0, "busy_s": own, "throttled": 0, "suspended_s": 0.0}
    return Counters(wall, own, **(usual | readings))


def test_a_quiet_run_has_no_flag() -> None:
    noise = judge_noise(
        [Block(1, s) for s in (1.0, 1.01, 0.99, 1.02, 0.98)] * 8, counters(0, 0), counters(10, 18, switches=40), 2
    )
    assert flags(noise) == []


@pytest.mark.parametrize(
    ("flag", "readings"),
    [
        ("preempted", {"switches": 5000, "busy_s": 11.5}),
        ("steal", {"steal_s": 1.0}),
        ("load", {"busy_s": 19.0}),
        ("throttled", {"throttled": 3}),
        ("paused", {"suspended_s": 20.0}),
    ],
)
def test_each_disturbance_has_its_flag(flag: str, readings: dict[str, Any]) -> None:
    assert flags(judge_noise([], counters(0, 0), counters(10, 10, **readings), 2)) == [flag]


def test_what_the_control_groups_stopped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "throttled", lambda: 0)
    before = read(0.0).throttled
    monkeypatch.setattr(cgroups, "throttled", lambda: 5)
    assert before is not None
    assert (read(1.0).throttled or 0) - before >= 5


@given(
    st.lists(st.floats(0.5, 1.5), min_size=2, max_size=30), st.integers(1, 50), st.floats(2.0, 1e4), st.integers(0, 99)
)
def test_a_pause_is_as_long_as_it_was(step_s: list[float], steps: int, pause_s: float, place: int) -> None:
    """Blocks as they usually are are none; one that holds a pause is, by about its length."""
    blocks = [Block(steps, each * steps / 1000) for each in step_s]
    assert paused(blocks) == 0
    held = blocks[place % len(blocks)]
    blocks[place % len(blocks)] = replace(held, seconds=held.seconds + pause_s)
    assert paused(blocks) == pytest.approx(pause_s, abs=1.001 * steps / 1000)


def test_no_pause_is_seen_where_nothing_is_typical() -> None:
    assert paused([]) == paused([Block(3, 1e3)]) == 0
    assert paused([Block(1, 10.0), Block(1, 19.0)]) == 0, "less than twice as long"


def test_prediction_and_data_may_be_paused_too() -> None:
    noise = judge_noise([], counters(0, 0), counters(10, 10), 2, [[Block(5, 0.1), Block(5, 20.1)], [Block(1, 1.0)]])
    assert noise.paused_s == pytest.approx(20)
    assert flags(noise) == ["paused"]


def test_drift_and_two_groups_are_seen() -> None:
    wobble = [0.0, 0.01, -0.01, 0.02, -0.02]
    flat = [1 + w for w in wobble * 10]
    assert relative_drift(flat) is None
    assert not is_bimodal(flat)
    rising = [1 + i / 100 + w for i, w in enumerate(wobble * 10)]
    assert relative_drift(rising) == pytest.approx(0.32, abs=0.05)
    assert is_bimodal([1 + w + 0.5 * (i % 3 == 0) for i, w in enumerate(wobble * 10)])


def test_the_kernels_counters_only_grow() -> None:
    before = read(0.0)
    sum(range(10**6))
    after = read(1.0)
    assert (before.wall_s, after.wall_s) == (0.0, 1.0)
    assert after.own_s >= before.own_s
    for name in ("switches", "steal_s", "busy_s", "throttled"):
        first, last = getattr(before, name), getattr(after, name)
        assert (first is None) == (last is None)
        assert first is None or last >= first >= 0, name
    if before.suspended_s is not None and after.suspended_s is not None:
        assert after.suspended_s == pytest.approx(before.suspended_s, abs=0.05), "nobody suspended this machine"
