"""Figures that follow from blocks and levels of memory, by hand; and those of a record, computed again."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.records.base import Spread
from harness.records.figures import Block, compile_s, gflops, growth, mib, rates, step_ms
from harness.records.run import throughput
from harness.records.store import read_record
from tests.conftest import ROOT

BLOCKS = [Block(10, 0.1), Block(10, 0.2), Block(5, 0.15)]


def test_milliseconds_and_rates_are_of_each_block() -> None:
    found = step_ms(BLOCKS)
    assert found is not None
    assert found.median == pytest.approx(20.0)
    assert found.blocks == 3
    rate = rates([*BLOCKS, Block(5, 0.0)], units_per_step=4)
    assert rate is not None
    assert rate.median == pytest.approx(200.0)
    assert rate.blocks == 3, "a block that took no time by the clock has no rate"
    assert step_ms([]) is None


def test_a_spread_has_its_percentiles_by_linear_interpolation() -> None:
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(median=3.0, p10=1.4, p90=4.6, blocks=5)
    assert Spread.of([]) is None


@pytest.mark.parametrize(("first_s", "updates", "expected"), [(1.0, 1, 0.98), (1.0, 10, 0.8), (0.01, 1, 0.0)])
def test_compiling_is_what_the_first_call_took_beyond_its_updates(
    first_s: float, updates: int, expected: float
) -> None:
    assert compile_s(first_s, step_ms(BLOCKS), updates) == pytest.approx(expected)
    assert compile_s(first_s, None) is None


def test_operations_per_second_are_those_of_the_median_step() -> None:
    assert gflops(10**9, step_ms(BLOCKS)) == pytest.approx(50.0)
    assert gflops(10**9, None) is None


@pytest.mark.parametrize(
    ("level", "peak", "grown"), [(2**20, 3 * 2**20, 2 * 2**20), (5, 3, 0), (None, 3, None), (5, None, None)]
)
def test_growth_is_never_negative_and_unknown_where_a_level_is(
    level: int | None, peak: int | None, grown: int | None
) -> None:
    assert growth(level, peak) == grown
    assert mib(grown) == (None if grown is None else grown / 2**20)


@pytest.mark.parametrize("content", ['{"steps": 0, "seconds": 1}', '{"steps": 1, "seconds": -1}', '{"steps": 1}',
                                     '{"steps": 1, "seconds": 1, "more": 1}'])  # fmt: skip
def test_a_block_in_a_record_is_checked(content: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Block).validate_json(content)


def test_anyone_can_compute_a_runs_figures_again_from_its_blocks() -> None:
    record = read_record(ROOT / "tests" / "fixtures" / "records" / "schema-4.json")
    m = record.metrics
    assert m is not None
    assert m.train_blocks is not None
    assert m.predict_blocks is not None
    assert sum(block.steps for block in m.train_blocks) == record.spec.steps - record.spec.chunk
    again = throughput(m.train_blocks, m.predict_blocks, record.spec.batch, 8, m.first_step_s)
    assert again == {name: getattr(m, name) for name in again}


def test_a_record_from_before_blocks_were_kept_has_none() -> None:
    m = read_record(ROOT / "tests" / "fixtures" / "records" / "schema-3.json").metrics
    assert m is not None
    assert (m.train_blocks, m.predict_blocks) == (None, None)
    assert m.step_ms is not None
    assert m.gflops == m.flops_per_step / m.step_ms.median / 1e6
