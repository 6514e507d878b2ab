"""The record of a run: the figures that follow from what it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from harness.records.figures import Block
from harness.records.run import Metrics, Record, throughput
from harness.specs.base import one_line

RecordFactory = Callable[..., Record]


def metrics_of(record: Record) -> Metrics:
    assert record.metrics is not None
    return record.metrics


def test_everything_that_follows_from_blocks_is_filled_from_them() -> None:
    found = throughput([Block(10, 0.5), Block(10, 1.0)], [Block(20, 0.1)], batch=5, length=4, first_step_s=2.0)
    medians = {name: found[name].median for name in found if name.endswith(("second", "ms"))}
    assert medians == {
        "train_sequences_per_second": pytest.approx(75.0), "train_time_steps_per_second": pytest.approx(300.0),
        "step_ms": pytest.approx(75.0), "predict_sequences_per_second": pytest.approx(200.0),
        "predict_time_steps_per_second": pytest.approx(800.0),
    }  # fmt: skip
    assert found["compile_s"] == pytest.approx(1.925)
    assert (len(found["train_blocks"]), len(found["predict_blocks"])) == (2, 1)
    assert set(found) <= set(Metrics.model_fields)


def test_a_run_that_ended_within_its_warm_up_has_no_throughput() -> None:
    found = throughput([], [Block(20, 0.1)], batch=5, length=4, first_step_s=2.0)
    assert (found["step_ms"], found["train_sequences_per_second"], found["compile_s"]) == (None, None, None)


def test_blocks_survive_the_record(make_record: RecordFactory) -> None:
    blocks = {"train_blocks": [{"steps": 50, "seconds": 0.25}], "predict_blocks": []}
    record = make_record(metrics=blocks)
    again = Record.model_validate_json(record.model_dump_json(exclude={"digest"}))
    assert metrics_of(again).train_blocks == [Block(50, 0.25)]
    assert metrics_of(again).predict_blocks == []
    assert again == record


@pytest.mark.parametrize(
    ("levels", "grown"),
    [({"host_init_bytes": 5, "host_peak_bytes": 12}, 7), ({"host_init_bytes": 5, "host_peak_bytes": 3}, 0),
     ({"host_peak_bytes": None}, None)],
)  # fmt: skip
def test_growth_is_the_peak_beyond_the_level_after_initialisation(
    make_record: RecordFactory, levels: dict[str, Any], grown: int | None
) -> None:
    assert metrics_of(make_record(metrics=levels)).host_growth_bytes == grown


def test_the_main_score_and_its_baseline_are_told_by_name(make_record: RecordFactory) -> None:
    m = metrics_of(make_record("copy"))
    assert (m.main, m.main_baseline) == (m.score["recall_accuracy"], 0.125)
    with pytest.raises(ValidationError, match="main_score: no score is called 'another'"):
        make_record("copy", metrics={"main_score": "another"})


def test_the_version_is_the_frameworks(make_record: RecordFactory) -> None:
    assert make_record(backend="jax").framework_version == "2.11.0"
    assert make_record(environment={"versions": {}}).framework_version is None


@pytest.mark.parametrize(
    ("metrics", "says"),
    [({"train_sequences_per_second": {"median": 0, "p10": 0, "p90": 1, "blocks": 3}}, "a rate is above zero, not 0"),
     ({"wall_s": 1e308}, "wall_s: input should be less than or equal to 1e+12, not 1e+308"),
     ({"final_loss": 1e308}, "final_loss: input should be less than or equal to 1e+100, not 1e+308"),
     ({"flops_per_step": 0}, "flops_per_step: input should be greater than or equal to 1, not 0")],
)  # fmt: skip
def test_figures_that_cannot_be_are_refused(make_record: RecordFactory, metrics: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make_record(metrics=metrics)
    assert says in one_line(refused.value)
