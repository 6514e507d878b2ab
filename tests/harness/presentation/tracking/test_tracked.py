"""What any tracker is told of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.presentation.tracking.tracked import scratch, sweep, tracked
from harness.records.store import Store
from tests.harness.conftest import made_record


def test_it_has_the_spec_what_was_measured_and_the_record_itself(tmp_path: Path) -> None:
    record = made_record("copy", cell="gru", seed=3)
    path = Store(tmp_path).write(record)
    told = tracked(record, path)
    assert record.metrics is not None
    assert told.experiment == "copy quick"
    assert told.settings["model.cell"] == "gru"
    assert told.settings["seed"] == 3
    assert told.settings["parameters.delay"] == record.spec.parameters["delay"]
    assert told.figures["measured/final_loss"] == record.metrics.final_loss
    assert told.figures["measured/score.recall_accuracy"] == record.metrics.score["recall_accuracy"]
    assert record.metrics.step_ms is not None
    assert told.figures["measured/step_ms"] == record.metrics.step_ms.median
    assert not {f"measured/{name}" for name in ("seed", "hidden", "lr", "logical_cpus")} & set(told.figures)
    assert [point.step for point in told.curve] == [point.step for point in record.curve]
    assert told.curve[-1].values["validation/loss"] == record.curve[-1].loss
    assert told.ended - told.started == pytest.approx(record.metrics.wall_s)
    assert told.document == path.read_bytes()


def test_what_a_killed_export_left_is_swept_and_what_another_writes_is_not(tmp_path: Path) -> None:
    with scratch(tmp_path) as young, scratch(tmp_path) as old:
        (old / "half").write_text("")
        os.utime(old, (0, 0))
        sweep(tmp_path)
        assert (young.exists(), old.exists()) == (True, False)
        old.mkdir()  # for the end of its block
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_failed_says_why_and_no_text_of_a_record_is_more_than_text(tmp_path: Path) -> None:
    record = made_record(status="failed", reason="no\nroom\x1b[2J", metrics={"score": {"mse": 1.0, "a\nb=<c>": 2.0}})
    told = tracked(record, Store(tmp_path).write(record))
    assert told.status == "failed"
    assert told.tags["harness.reason"].isprintable()
    assert "no" in told.tags["harness.reason"]
    without = made_record(status="failed", reason="x").model_copy(update={"metrics": None, "curve": []})
    bare = tracked(without, Store(tmp_path).write(without))
    assert (
        bare.figures.keys() <= {f"measured/{name}" for name in ("gate", "gate_loss", "gate_passed")},
        bare.curve,
    ) == (True, [])
