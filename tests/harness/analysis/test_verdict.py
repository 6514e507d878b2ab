"""What a second run says of a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.analysis.verdict import causes, judge
from harness.records.run import Record

RecordFactory = Callable[..., Record]


def test_the_same_is_bit_identical(make_record: RecordFactory) -> None:
    judgement = judge(make_record(), make_record())
    assert judgement.verdict == "bit-identical"
    assert judgement.speed.startswith("as recorded")


def nudged(record: Record, by: float, environment: dict[str, Any] | None = None) -> Record:
    """The same run with every loss and score ``by`` off."""
    assert record.metrics is not None
    curve = [point.model_copy(update={"loss": point.loss + by}) for point in record.curve]
    score = {name: value + by for name, value in record.metrics.score.items()}
    metrics = record.metrics.model_copy(update={"score": score})
    where = record.environment.model_copy(update=environment or {})
    return record.model_copy(update={"curve": curve, "metrics": metrics, "environment": where})


def test_what_rounding_does_is_the_same_result_and_more_is_different(make_record: RecordFactory) -> None:
    record = make_record()
    assert judge(record, nudged(record, 1e-7)).verdict == "same result"
    assert "between updates" not in judge(record, nudged(record, 1e-7)).why
    assert judge(record, nudged(record, 0.05)).verdict == "different"


def test_recorded_seeds_give_the_tolerance(make_record: RecordFactory) -> None:
    record = make_record()
    apart = [nudged(record, by) for by in (-0.02, 0.0, 0.02)]
    alone, among = judge(record, nudged(record, 0.012)), judge(record, nudged(record, 0.012), apart)
    assert (alone.verdict, among.verdict) == ("different", "same result")
    assert "spread of 3 seeds" in among.why


def test_the_likeliest_cause_comes_first(make_record: RecordFactory) -> None:
    record = make_record()
    other = {"cpu": "another", "os": "another", "versions": {**record.environment.versions, "torch": "9"}}
    again = nudged(record, 0.1, other)
    assert [cause.split(":")[0] for cause in causes(record, again)] == ["torch", "processor", "operating system"]
    judgement = judge(record, again)
    assert judgement.speed.startswith("not judged: another processor")
