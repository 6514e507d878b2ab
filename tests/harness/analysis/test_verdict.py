"""What a second run says of a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.analysis.verdict import judge
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


def digested(record: Record, data: str | None = None, **plugins: str) -> Record:
    assert record.metrics is not None
    where = record.environment.model_copy(update={"plugins": plugins})
    metrics = record.metrics.model_copy(update={"data_sha256": data})
    return record.model_copy(update={"environment": where, "metrics": metrics})


def test_other_data_or_code_makes_another_task_whatever_the_figures(make_record: RecordFactory) -> None:
    then = digested(make_record(), "d" * 64, task="t" * 64, backend="b" * 64)
    other = judge(then, digested(nudged(make_record(), 1e-7), "e" * 64, task="u" * 64, backend="b" * 64))
    assert other.verdict == "other task"
    assert other.why.startswith("the data differs (SHA-256 eeeeeeeeeeee…, recorded dddddddddddd…)")
    assert other.causes[1].startswith("the task's code differs")
    code = judge(then, digested(nudged(make_record(), 1e-7), "d" * 64, task="u" * 64, backend="b" * 64))
    assert (code.verdict, code.causes[0][:23]) == ("other task", "the task's code differs")
    assert judge(then, digested(make_record(), "d" * 64, task="u" * 64)).verdict == "bit-identical", "the same figures"
    assert judge(make_record(), digested(nudged(make_record(), 1e-7), "d" * 64, task="t")).verdict == "same result"


def test_a_backends_code_is_a_cause_and_no_other_task(make_record: RecordFactory) -> None:
    then, now = digested(make_record(), backend="b" * 64), digested(nudged(make_record(), 0.1), backend="c" * 64)
    judgement = judge(then, now)
    assert (judgement.verdict, judgement.causes[0][:18]) == ("different", "the backend's code")


def test_another_machine_is_not_judged_by_its_speed(make_record: RecordFactory) -> None:
    record = make_record()
    judgement = judge(record, nudged(record, 0.1, {"cpu": "another"}))
    assert judgement.speed.startswith("not judged: another processor")
