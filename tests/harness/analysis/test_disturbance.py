"""When a measurement counts as disturbed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.disturbance import (
    OTHERS,
    OUTSIDE_SHARE,
    STEAL_SHARE,
    SWITCHES_PER_S,
    contestant_flags,
    flags,
    meanings,
)
from harness.records.base import Noise
from tests.harness.conftest import made_contestant


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ({}, []),
        ({"drift": 0.2}, ["drift"]),
        ({"bimodal": True}, ["bimodal"]),
        ({"steal_share": STEAL_SHARE}, []),
        ({"steal_share": 1.1 * STEAL_SHARE}, ["steal"]),
        ({"outside_share": 1.1 * OUTSIDE_SHARE}, ["load"]),
        ({"throttled": 1}, ["throttled"]),
        ({"paused_s": 0.0}, []),
        ({"paused_s": 20.0}, ["paused"]),
        ({"throttled": 0, "bimodal": False}, []),
        ({"drift": 0.1, "throttled": 2}, ["drift", "throttled"]),
    ],
)
def test_each_disturbance_counts_beyond_its_limit(measured: dict[str, Any], expected: list[str]) -> None:
    assert flags(Noise(**measured)) == expected


def test_forced_switches_count_only_where_others_used_the_cpus() -> None:
    """The spinning threads of a BLAS yield their CPU by themselves, which the kernel counts as forced."""
    many = 2 * SWITCHES_PER_S
    assert flags(Noise(involuntary_switches_per_s=many, outside_share=0.5 * OTHERS)) == []
    assert flags(Noise(involuntary_switches_per_s=many, outside_share=1.5 * OTHERS)) == ["preempted"]
    assert flags(Noise(involuntary_switches_per_s=many)) == []


def test_of_what_was_not_measured_nothing_is_said() -> None:
    assert flags(None) == []


@pytest.mark.parametrize(("p10", "p90", "expected"), [(317.0, 1882.0, ["spread"]), (1.0, 2.0, []), (1.0, 1.0, [])])
def test_a_contestant_is_judged_by_how_far_apart_its_rounds_are(p10: float, p90: float, expected: list[str]) -> None:
    row = made_contestant("torch", 1.0)
    assert row.figures is not None
    step_ms = row.figures.step_ms.model_copy(update={"p10": p10, "p90": p90})
    figures = row.figures.model_copy(update={"step_ms": step_ms})
    assert contestant_flags(row.model_copy(update={"figures": figures})) == expected
    disturbed = row.model_copy(update={"figures": figures, "noise": Noise(outside_share=0.5, throttled=1)})
    assert contestant_flags(disturbed) == ["load", "throttled", *expected]
    assert contestant_flags(disturbed.model_copy(update={"figures": None})) == []


def test_each_flag_has_its_meaning_for_below_a_table() -> None:
    assert meanings([]) is None
    assert meanings(["load", "drift", "load"]) == (
        "noise: drift: the last third of the blocks was more than 5 % slower or faster than the first; "
        "load: others used more than 10 % of its CPUs."
    )
