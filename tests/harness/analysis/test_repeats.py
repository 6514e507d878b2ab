"""Repetitions of a spec: seeds asked for, averages with intervals, what solved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis import repeats
from harness.analysis.groups import groups
from harness.analysis.interval import interval
from harness.errors import UsageError
from harness.planning.runs import seeds_of
from harness.presentation.table import render
from harness.records.run import Record
from harness.records.store import Found

RecordFactory = Callable[..., Record]


@given(st.lists(st.integers(0, 2**62), min_size=2, max_size=9, unique=True))
def test_a_list_of_seeds_is_those(seeds: list[int]) -> None:
    assert seeds_of(",".join(map(str, seeds)), []) == seeds


@given(st.text(max_size=20))
def test_any_other_text_is_told_in_one_line(text: str) -> None:
    try:
        assert len(set(seeds_of(text, []))) >= 1
    except UsageError as error:
        assert "seed" in str(error)  # noqa: PT017


def test_a_number_counts_from_0_and_both_ways_at_once_are_refused() -> None:
    assert seeds_of("3", []) == [0, 1, 2]
    assert seeds_of(None, []) == [0]
    assert seeds_of(None, [4, 4]) == [4, 4]
    for seeds, seed in (("2", [1]), ("0", []), ("1,1", []), ("1,", []), ("10001", [])):
        with pytest.raises(UsageError):
            seeds_of(seeds, seed)


def test_the_interval_holds_the_average_of_what_varies() -> None:
    values = [1.0, 1.2, 0.9, 1.1, 1.05]
    low, high = interval(values, np.mean) or (0, 0)
    assert 0.9 < low < np.mean(values) < high < 1.2
    assert interval(values[:2]) is None
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_runs_over_seeds_are_one_row_and_those_that_failed_are_counted_apart(make_record: RecordFactory) -> None:
    records = [make_record(seed=seed, number=seed) for seed in range(4)]
    records.append(make_record(seed=4, number=4, status="failed", reason="diverged"))
    records.append(make_record(backend="jax", number=5))
    several, alone = sorted(repeats.rows(records), key=lambda row: -row["runs"])
    assert (several["runs"], several["not_ok"], several["solved_runs"]) == (4, 1, 4)
    speeds = [r.metrics.train_sequences_per_second.median for r in records[:4]]  # type: ignore[union-attr]
    assert several["train_seq_s_median"] == pytest.approx(np.median(speeds))
    assert min(speeds) <= several["train_seq_s_low"] <= several["train_seq_s_high"] <= max(speeds)
    assert (alone["runs"], alone["score_low"]) == (1, None)
    assert repeats.is_worth(records)
    assert not repeats.is_worth(records[-1:])


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
    (row,) = repeats.rows(records)
    assert (row["runs"], row["seeds"]) == (10_000, 10_000)
    (group,) = groups(records)
    assert group.settings(records[7]) == "seed 7"
