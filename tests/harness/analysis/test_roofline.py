"""The highest rates of a device in a call, and shares of them, from made-up readings."""

from __future__ import annotations

import pytest

from harness.analysis.roofline import roofs_of, with_shares
from harness.records.speed import Contest, Limits
from tests.harness.conftest import made_contestant


def test_a_roof_is_the_highest_median_and_a_step_the_fastest_reading() -> None:
    slow = made_contestant("numpy", 2.0).model_copy(
        update={"limits": Limits(gflops=[10.0, 500.0, 20.0], gb_per_s=[1.0], us_per_step=[9.0, 1.5])}
    )
    fast = made_contestant("torch", 2.0)
    roofs = roofs_of([Contest(rows=[slow]), Contest(rows=[fast])])
    assert list(roofs) == ["cpu"]
    assert (roofs["cpu"].gemm_gflops, roofs["cpu"].copy_gb_per_s) == (100.0, 10.0), "one high reading is no roof"
    assert roofs["cpu"].us_per_step == {"numpy": 1.5, "torch": 2.5}


def test_shares_are_of_the_roofs_of_the_same_device() -> None:
    row = made_contestant("torch", 2.0)
    shared = with_shares(row, roofs_of([Contest(rows=[row])])["cpu"])
    assert shared.figures is not None
    assert shared.figures.gemm_share == pytest.approx(50 / 100)
    assert shared.figures.copy_share == pytest.approx(1e6 / 2e-3 / 1e9 / 10)
    assert shared.figures.floor_ms == pytest.approx(2.5 * 8 / 1e3)
    assert shared.figures.floor_share == pytest.approx(0.02 / 2.0)


def test_without_readings_there_is_no_share() -> None:
    row = made_contestant("torch", 2.0).model_copy(update={"limits": None})
    assert roofs_of([Contest(rows=[row])]) == {}
    assert with_shares(row, None) is row
