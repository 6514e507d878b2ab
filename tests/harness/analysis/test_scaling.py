"""Lines through made-up times: what they recover, when they do not hold, and which contests belong together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.interval import Average
from harness.analysis.scaling import Fit, Line, Scaling, fit, gains, limits, scalings, work_of
from harness.records.speed import Row, SpeedRecord
from harness.records.store import read
from tests.conftest import ROOT
from tests.harness.conftest import both_devices, grown, made_scaling, made_speed


def fitted(rows: list[Row], name: str = "length") -> Fit:
    found = fit(Line(name, "auto", rows))
    assert found is not None
    return found


def slower(row: Row, times: float) -> Row:
    blocks = [
        block.__class__(round=block.round, steps=block.steps, seconds=block.seconds * times) for block in row.blocks
    ]
    return row.model_copy(update={"blocks": blocks})


def within(average: Average | None, value: float) -> bool:
    assert average is not None
    assert average.low is not None
    assert average.high is not None
    return average.low <= value <= average.high


@given(st.floats(0.01, 100), st.floats(0.1, 1e4), st.lists(st.integers(1, 5000), min_size=3, max_size=7, unique=True))
def test_times_on_a_line_are_that_line(fixed: float, rate: float, sizes: list[int]) -> None:
    found = fitted(grown(fixed=fixed, rate=rate, sizes=sorted(sizes), rounds=3))
    assert found.holds
    assert abs(found.departure) < 1e-6
    on_line = [found.a.value + found.b.value * work for work in found.work]  # type: ignore[operator]
    assert on_line == pytest.approx([fixed + 1e3 * work / rate for work in found.work])


def test_noisy_times_have_the_truth_within_their_intervals() -> None:
    """Of 60 made-up lines nearly all, and each interval is of use: fixed cost 2 ms, 50 GFLOP/s, rounds 5 % apart."""
    found = [fitted(grown(noise=0.05, seed=seed, rounds=10)) for seed in range(60)]
    assert all(each.holds for each in found)
    assert sum(within(each.a, 2.0) for each in found) >= 50
    assert sum(within(each.rate, 50.0) for each in found) >= 50
    assert sum(within(each.each, 200.0) for each in found) >= 50
    widths = [each.rate.high - each.rate.low for each in found if each.rate]  # type: ignore[operator]
    assert max(widths) < 15


def test_small_sizes_count_as_much_as_large_ones() -> None:
    """Errors are relative: the small ones decide the fixed cost, however large the others are."""
    rows = grown(sizes=(1, 10, 1000), fixed=2.0)
    first, last = fitted([slower(rows[0], 1.05), *rows[1:]]), fitted([*rows[:2], slower(rows[2], 1.05)])
    assert (first.a.value, first.b.value) == (pytest.approx(2.09, abs=0.02), pytest.approx(20, rel=0.01))
    assert (last.a.value, last.b.value) == (pytest.approx(2, rel=0.02), pytest.approx(21, rel=0.01))


@pytest.mark.parametrize(("at", "times", "says"), [(1, 2.0, -1), (3, 0.5, 1)])
def test_times_that_bend_are_no_straight_line(at: int, times: float, says: int) -> None:
    rows = [slower(row, times) if place == at else row for place, row in enumerate(grown(noise=0.02))]
    found = fitted(rows)
    assert not found.holds
    assert abs(found.departure) > 0.1


def test_a_departure_that_the_rounds_cannot_tell_is_none() -> None:
    rows = grown(noise=0.6, rounds=5)
    wide = fitted([slower(rows[0], 1.0), slower(rows[1], 1.15), *rows[2:]])
    assert abs(wide.departure) > 0.1
    assert wide.holds


def test_scatter_beyond_the_rounds_widens_the_intervals() -> None:
    """Contests are minutes apart: rounds that agree say nothing of that."""
    even, apart = grown(noise=0.01), grown(noise=0.01)
    apart[1] = slower(apart[1], 1.07)
    (low, high), (lower, higher) = ((found.b.low, found.b.high) for found in map(fitted, (even, apart)))
    assert higher - lower > 1.5 * (high - low)  # type: ignore[operator]


def test_without_three_rounds_there_is_no_interval_and_without_three_sizes_no_line() -> None:
    found = fitted(grown(rounds=2))
    assert (found.a.low, found.a.high) == (None, None)
    assert found.holds
    assert fit(Line("length", "auto", grown(sizes=(10, 20)))) is None
    unknown = [row.model_copy(update={"ready": None, "figures": None}) for row in grown()]
    assert fit(Line("length", "auto", unknown)) is None


def test_time_that_does_not_grow_has_no_rate_and_one_that_may_not_no_upper_end() -> None:
    falling = grown(sizes=(1, 2, 3), fixed=5.0, rate=-100.0)
    assert fitted(falling).rate is None
    unsure = fitted(grown(sizes=(1, 2, 3), fixed=5.0, rate=100.0, noise=0.05))
    assert unsure.b.low is not None
    assert unsure.b.low < 0
    assert unsure.rate is None or unsure.rate.high is None


def test_what_threads_gain_is_the_ratio_of_the_medians() -> None:
    one, two = grown(name="threads", sizes=(1, 2), noise=0.03)
    (gain,) = gains(Line("threads", "auto", [one, slower(two, 0.5)]))
    assert gain.value == pytest.approx(2, rel=0.1)
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low < gain.value < gain.high  # type: ignore[operator]


def scaling_of(*lines: list[Row]) -> Scaling:
    (found,) = scalings(made_scaling(*lines))
    return found


def test_auto_is_one_line_whichever_variants_it_stands_for() -> None:
    auto = grown("torch", asked="auto")
    auto[2:] = [row.model_copy(update={"variant": "parts"}) for row in auto[2:]]
    found = scaling_of(auto, grown("torch", "default"))
    assert [line.asked for line in found.lines] == ["auto", "default-one"]
    assert found.lines[0].stages == [("best-one", 16), ("parts", 256)]
    assert found.values == found.lines[0].sizes == [16, 64, 256, 1024]


def test_where_auto_is_the_stock_layer_its_row_is_in_both_lines() -> None:
    auto, stock = grown("torch", asked="auto"), grown("torch", "default")
    auto[0] = stock[0].model_copy(update={"spec": auto[0].spec})
    record = made_speed([auto[0]], *(list(pair) for pair in zip(auto[1:], stock[1:], strict=True)))
    (found,) = scalings(record)
    assert {line.asked: line.sizes for line in found.lines} == dict.fromkeys(("auto", "default-one"), found.values)
    always = grown("torch", "default", asked="auto")
    assert [line.asked for line in scaling_of(always).lines] == ["auto"]


def test_contests_that_differ_in_two_sizes_are_sets_of_each() -> None:
    record = both_devices([(hidden, batch) for hidden in (8, 16) for batch in (4, 32)])
    assert [(each.name, len(each.contests)) for each in scalings(record)] == [
        ("batch", 2), ("batch", 2), ("hidden", 2), ("hidden", 2),
    ]  # fmt: skip
    assert {line.place for each in scalings(record) for line in each.lines} == {
        (backend, device) for backend in ("jax", "torch") for device in ("cpu", "cuda")
    }


def test_limits_are_those_of_the_device_and_of_each_backend() -> None:
    found = list(limits(scaling_of(grown("torch"), grown("jax", sizes=(16, 64, 256, 1024)))))
    assert [(each.kind, each.backend) for each in found] == [
        ("products", ""), ("copy", ""), ("steps", "jax"), ("steps", "torch"),
    ]  # fmt: skip
    products, copy, steps, _ = (each.rates[1] for each in found)
    assert products == pytest.approx(3 / (64 * 1e7 / 100e9))
    assert copy == pytest.approx(3 / (64 * 1e5 / 10e9))
    assert steps == pytest.approx(3 / (2 * 64 * 2.5e-6))


def test_published_contests_have_lines_that_are_fitted() -> None:
    for path in (ROOT / "results" / "published").rglob("*-speed-*.json"):
        record = read(path)
        if not isinstance(record, SpeedRecord):  # a claim's name may have the word in it
            continue
        for line in (line for each in scalings(record) for line in each.lines):
            assert line.sizes == sorted(set(line.sizes))
            assert (fit(line) is None) == (work_of(line) is None)
