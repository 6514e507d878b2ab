"""What a run of only the first updates says of a record."""

from __future__ import annotations

from typing import Any

import pytest

from harness.analysis.first_updates import judge_first, nearest
from harness.records.run import Mark, Record
from harness.records.store import read_record
from tests.conftest import ROOT
from tests.harness.conftest import made_record

SAMPLES = ROOT / "tests" / "fixtures" / "records"


def mark(step: int, loss: float = 0.2, losses: str = "a", data: str = "d") -> Mark:
    return Mark(step=step, train_loss=loss, losses_sha256=losses * 64, data_sha256=data * 64)


def marked(**fields: Any) -> Record:
    """A record of 2,000 updates, evaluated every 200, with marks after 1 and 50."""
    record = made_record(metrics={"marks": [mark(1), mark(50)], "data_sha256": "f" * 64, **fields})
    curve = [point.model_copy(update={"losses_sha256": f"{point.step:064}"}) for point in record.curve]
    return record.model_copy(update={"curve": curve})


def first(record: Record, step: int, marks: list[Mark] | None = None, by: float = 0.0) -> Record:
    """The same run, ended after its first updates, losses and scores ``by`` off since the start."""
    assert record.metrics is not None
    marks = [each for each in record.metrics.marks if each.step <= step] if marks is None else marks
    curve = [
        point.model_copy(update={"loss": point.loss + by, "scores": {n: v + by for n, v in point.scores.items()}})
        if point.step
        else point
        for point in record.curve
        if point.step <= step
    ]
    metrics = record.metrics.model_copy(update={"stopped_at": step, "marks": marks, "data_sha256": "e" * 64})
    return record.model_copy(update={"curve": curve, "metrics": metrics})


@pytest.mark.parametrize(
    ("asked", "step"), [(1, 1), (30, 50), (50, 50), (130, 200), (125, 50), (500, 400), (1850, 1800), (1950, None)]
)
def test_the_nearest_point_that_the_record_says_something_of_is_taken(asked: int, step: int | None) -> None:
    assert nearest(marked(), asked) == step


@pytest.mark.parametrize(("sample", "step"), [("schema-6", None), ("schema-7", 1)])
def test_an_older_record_that_was_evaluated_at_its_end_alone_is_run_whole(sample: str, step: int | None) -> None:
    record = read_record(SAMPLES / f"{sample}.json")
    assert nearest(record, 1) == step, [point.step for point in record.curve]


def test_equal_bits_confirm_no_more_than_was_run() -> None:
    judgement = judge_first(marked(), first(marked(), 50), 50)
    assert judgement.verdict == "bit-identical so far"
    assert judgement.why == "the first 50 of 2,000 updates: bit-identical; nothing is said of the others"
    asked = judge_first(marked(), first(marked(), 50), 60).why
    assert asked.startswith(
        "the first 50 of 2,000 updates (of the points at which the record can be compared, the near"
    )
    assert judge_first(marked(), first(marked(), 400), 400).verdict == "bit-identical so far"


def test_what_rounding_does_is_the_same_and_more_refutes_the_record() -> None:
    near = judge_first(marked(), first(marked(), 50, [mark(1), mark(50, 0.2 + 1e-6, "b")]), 50)
    assert near.verdict == "same so far"
    assert "losses first differ between updates 1 and 50" in near.why
    far = judge_first(marked(), first(marked(), 50, [mark(1), mark(50, 0.3, "b")]), 50)
    assert far.verdict == "different"
    assert "mean training loss up to 50 0.3, recorded 0.2" in far.why
    assert judge_first(marked(), first(marked(), 200, by=1e-6), 200).verdict == "same so far"
    assert judge_first(marked(), first(marked(), 200, by=0.05), 200).verdict == "different"


def test_the_spread_of_seeds_at_that_point_is_allowed() -> None:
    seeds = [first(marked(), 2000, by=by) for by in (-0.01, 0.0, 0.01)]
    alone, among = (judge_first(marked(), first(marked(), 200, by=0.012), 200, of) for of in ((), seeds))
    assert (alone.verdict, among.verdict) == ("different", "same so far")
    assert "fewer than 3 seeds" in alone.why


def test_other_data_is_another_task_and_less_of_the_same_is_not() -> None:
    other = judge_first(marked(), first(marked(), 50, [mark(1, data="0"), mark(50, data="0")]), 50)
    assert other.verdict == "other task"
    assert "the data differs (SHA-256 000000000000…, recorded dddddddddddd…)" in other.why


def test_a_record_without_digests_says_that_only_its_evaluations_were_compared() -> None:
    record = made_record()
    judgement = judge_first(record, first(record, 200), 200)
    assert judgement.verdict == "bit-identical so far"
    assert judgement.why.endswith("no digests of its losses, so that only what it evaluated was compared")


def test_a_record_that_says_nothing_of_the_start_cannot_be_compared() -> None:
    record = made_record()
    strange = record.model_copy(update={"curve": [record.curve[1].model_copy(update={"step": 70})]})
    assert judge_first(strange, first(record, 100), 100).verdict == "cannot run"
