"""What the columns of runs hold."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from harness.analysis.groups import TRAITS
from harness.analysis.repeats import repetitions
from harness.presentation.run_columns import (
    COLUMNS,
    DEFAULT,
    DESCRIPTIONS,
    KEPT,
    KEPT_BESIDES,
    OF_A_GPU,
    REPORT,
    SUMMARY,
    SUMMARY_DEFAULT,
)
from harness.presentation.run_table import runs_frame
from harness.presentation.table import Cell
from harness.records.base import Noise
from harness.records.facts import FACTS
from harness.records.run import Place
from harness.text import number


def test_frame_has_a_row_per_record_and_describes_every_column(some_table: pd.DataFrame, some_records: Any) -> None:
    assert len(some_table) == len(some_records)
    for name in some_table.columns:
        described = name in DESCRIPTIONS or f"{name.split('.')[0]}.<name>" in DESCRIPTIONS
        assert described, name
    assert all("\n" not in about and about for about in DESCRIPTIONS.values())


@pytest.fixture(scope="module")
def some_table(some_records: Any) -> pd.DataFrame:
    return runs_frame(some_records)


def test_frame_holds_the_records_values(make_record: Any) -> None:
    record = make_record("adding", "jax", "gru", seed=2**63 - 1, metrics={"host_peak_bytes": 2**29})
    (row,) = runs_frame([record]).to_dict("records")
    m = record.metrics
    assert row["seed"] == 2**63 - 1
    assert row["P.length"] == 100
    assert row["P.markers"] == "halves"
    assert row["score"] == row["score.mse"] == m.score["mse"]
    assert row["baseline"] == pytest.approx(1 / 6)
    assert row["train_seq_s_p90"] == m.train_sequences_per_second.p90
    assert row["host_growth_mib"] == (m.host_peak_bytes - m.host_init_bytes) / 2**20
    assert row["gflops"] == pytest.approx(m.flops_per_step / (m.step_ms.median / 1e3) / 1e9)
    assert row["version"] == "2.11.0"
    assert pd.isna(row["device_peak_mib"])
    assert pd.isna(row["chrono"])
    assert row["steps_to.0.05"] == 600


def test_a_peak_below_the_level_after_initialisation_is_no_growth(make_record: Any) -> None:
    record = make_record(metrics={"host_init_bytes": 2**21, "host_peak_bytes": 2**20})
    assert runs_frame([record])["host_growth_mib"].tolist() == [0.0]


def test_what_a_gpu_took_has_columns(make_record: Any) -> None:
    took = {
        "energy_j": 10.0,
        "joules_per_1000_sequences": 0.5,
        "device_idle_share": 0.25,
        "device_process_bytes": 2**21,
    }
    (row,) = runs_frame([make_record(device="cuda", metrics=took)]).to_dict("records")
    names = ("energy_j", "joules_per_1000_sequences", "device_idle_share", "device_process_mib")
    assert [row[name] for name in names] == [10.0, 0.5, 0.25, 2.0]


def test_where_a_run_was_made_has_columns(make_record: Any) -> None:
    """The machine of a run is its GPU where it has one, else its processor."""
    place = Place(engine="ray", node="a", share=2)
    rows = runs_frame([
        make_record(record={"place": place}, environment={"cpu": "Made-up CPU"}),
        make_record(device="cuda", environment={"device_name": "Made-up GPU"}, number=1),
    ]).to_dict("records")  # fmt: skip
    assert [rows[0][name] for name in ("machine", "node", "engine", "share")] == ["Made-up CPU", "a", "ray", 2]
    assert rows[1]["machine"] == "Made-up GPU"


def test_what_an_index_keeps_has_one_meaning_under_each_name() -> None:
    assert not KEPT_BESIDES.keys() & {*KEPT, *TRAITS, *FACTS}


def test_a_former_name_of_a_variant_is_shown_as_the_present_one(make_record: Any) -> None:
    record = make_record(backend="numpy", variant="halves")
    assert COLUMNS["variant"].get(record) == "parts"
    assert record.variant == "halves"


def test_a_reports_columns_are_of_all_runs_of_a_contender(make_record: Any) -> None:
    took = {"device_idle_share": 0.72}
    noises = (None, Noise(bimodal=True), Noise(drift=0.1, bimodal=True))
    records = [
        make_record(seed=seed, metrics={"solved": seed > 0, **took}, record={"noise": noise})
        for seed, noise in enumerate(noises)
    ]
    (runs,) = repetitions(records)
    told = {column.title: column.cell(runs) for column in REPORT}
    assert told["runs"].text == "3"
    assert told["solved"] == Cell("2 of 3")
    assert told["idle %"].text == "72, launch-bound"
    assert told["gate"].text == "3e-07"
    assert told["noise"].text == "bimodal drift"
    medians = sorted(r.metrics.train_sequences_per_second.median for r in records)
    assert told["train seq/s"].text == number(medians[1])
    (alone,) = repetitions(records[1:2])
    assert next(column for column in REPORT if column.name == "solved").cell(alone) == Cell("yes", "green")


def test_default_columns_are_columns() -> None:
    assert {*DEFAULT, *OF_A_GPU} <= set(COLUMNS)
    assert set(SUMMARY_DEFAULT) <= set(SUMMARY)
    assert all(column.about for column in [*COLUMNS.values(), *SUMMARY.values()])
