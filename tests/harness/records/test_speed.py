"""The record of a speed contest: kept, read back, and its figures computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from harness.records.speed import SpeedRecord
from harness.records.store import read_all
from tests.harness.conftest import made_speed


def test_the_record_is_kept_and_read_back(contest: tuple[Path, SpeedRecord], make_record: Any) -> None:
    folder, record = contest
    found = read_all([folder])
    assert found.problems == []
    assert found.speeds == [record]
    assert record.status == "failed"


def test_anyone_can_compute_the_figures_again(contest: tuple[Path, SpeedRecord]) -> None:
    for found in contest[1].contests:
        by_name = {row.variant: row for row in found.rows}
        fused, good = by_name["fused"], by_name["good"]
        assert fused.figures is not None
        assert fused.figures.ratio is not None
        assert fused.ready is not None
        updates = [block.seconds / block.steps for block in fused.blocks]
        pairs = [theirs.seconds / theirs.steps / ours for theirs, ours in zip(good.blocks, updates, strict=True)]
        assert fused.figures.step_ms.median == pytest.approx(1e3 * np.median(updates))
        assert fused.figures.ratio.median == pytest.approx(np.median(pairs))
        us = contest[1].roofs["cpu"].us_per_step["madeup"]
        readings = [us for row in found.rows if row.limits for us in row.limits.us_per_step]
        assert us <= min(readings, default=us)
        assert fused.figures.floor_ms == pytest.approx(us * 2 * fused.spec.length / 1e3)
        assert fused.figures.gflops == pytest.approx(fused.ready.flops_per_step / np.median(updates) / 1e9)


def test_contestants_and_contests_that_cannot_be_are_refused() -> None:
    document = json.loads(made_speed().model_dump_json(exclude={"digest"}))
    (row,) = document["contests"][0]["rows"]
    for changed in ({"rows": []}, {"rows": [{**row, "ready": None}]}, {"rows": [{**row, "blocks": [
            {"steps": 1, "seconds": 0, "round": 0}]}]}):  # fmt: skip
        with pytest.raises(ValidationError):
            SpeedRecord.model_validate({**document, "contests": [changed]})
    with pytest.raises(ValidationError):
        SpeedRecord.model_validate({**document, "roofs": {"cpu": {"gemm_gflops": 0}}})
