"""Repetitions of a spec: averages with intervals, how many solved the task, how many did not end well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.analysis.groups import groups
from harness.analysis.repeats import any_repeated, repetitions
from harness.presentation.export import render
from harness.presentation.run_columns import SUMMARY
from harness.records.run import Record
from harness.records.store import Found

RecordFactory = Callable[..., Record]


def test_runs_over_seeds_are_one_row_and_those_that_failed_are_counted_apart(make_record: RecordFactory) -> None:
    records = [make_record(seed=seed, number=seed) for seed in range(4)]
    records.append(make_record(seed=4, number=4, status="failed", reason="diverged"))
    records.append(make_record(backend="jax", number=5))
    several, alone = sorted(repetitions(records), key=lambda runs: -len(runs.records))
    assert (len(several.records), several.seeds, several.not_ok, several.solved, several.noisy) == (4, 4, 1, 4, 0)
    speeds = [r.metrics.train_sequences_per_second.median for r in records[:4]]  # type: ignore[union-attr]
    median, low, high = (SUMMARY[f"train_seq_s_{name}"].get(several) for name in ("median", "low", "high"))
    assert median == pytest.approx(np.median(speeds))
    assert min(speeds) <= low <= high <= max(speeds)
    assert (len(alone.records), SUMMARY["score_low"].get(alone)) == (1, None)
    assert any_repeated(records)
    assert not any_repeated(records[-1:])


def test_the_summary_is_a_table_for_people_and_for_machines(make_record: RecordFactory) -> None:
    found = Found([make_record(seed=seed, number=seed) for seed in range(3)])
    text = render(found, [], [], [], None, None, summary=True)
    assert text is not None
    assert "score_mean" in text
    csv = render(found, [], [], ["runs>=3"], "csv", None, summary=True)
    assert csv is not None
    assert "host_growth_mib_high" in csv.splitlines()[0]
    assert len(csv.splitlines()) == 2


def test_ten_thousand_runs_are_one_row(make_record: RecordFactory) -> None:
    """Work that grew with the square of their number would run into the suite's timeout."""
    one = make_record("adding")
    specs = [one.spec.model_copy(update={"seed": seed}) for seed in range(10_000)]
    records = [one.model_copy(update={"spec": spec, "id": f"run-{spec.seed}"}) for spec in specs]
    (runs,) = repetitions(records)
    assert (len(runs.records), runs.seeds, runs.not_ok) == (10_000, 10_000, 0)
    (group,) = groups(records)
    assert group.settings(records[7]) == "seed 7"


def test_runs_of_the_same_spec_that_were_not_ok_are_counted(make_record: Callable[..., Record]) -> None:
    failed = [make_record(seed=seed, status="failed") for seed in (1, 2)]
    (runs,) = repetitions([make_record(), *failed, make_record(backend="jax", status="failed")])
    assert runs.not_ok == 2
