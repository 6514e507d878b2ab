"""What disturbed a measurement: counters around it, and how its block times lie."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.disturbance import flags
from harness.machine import cgroups
from harness.worker.noise import Counters, is_bimodal, read, relative_drift
from harness.worker.noise import judge as judge_noise


def counters(wall: float, own: float, **readings: Any) -> Counters:
    usual = {"switches": 0, "steal_s": 0.0, "busy_s": own, "throttled": 0}
    return Counters(wall, own, **(usual | readings))


def test_a_quiet_run_has_no_flag() -> None:
    noise = judge_noise([1.0, 1.01, 0.99, 1.02, 0.98] * 8, counters(0, 0), counters(10, 18, switches=40), 2)
    assert flags(noise) == []


@pytest.mark.parametrize(
    ("flag", "readings"),
    [
        ("preempted", {"switches": 5000, "busy_s": 11.0}),
        ("steal", {"steal_s": 1.0}),
        ("load", {"busy_s": 19.0}),
        ("throttled", {"throttled": 3}),
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
