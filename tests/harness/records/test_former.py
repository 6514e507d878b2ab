"""What records of earlier versions call by another name is no difference."""

from __future__ import annotations

from collections.abc import Callable

from harness.analysis.causes import causes
from harness.records.former import current_packages, current_wording
from harness.records.run import Record

RecordFactory = Callable[..., Record]


def test_the_new_name_of_our_distribution_is_no_cause(make_record: RecordFactory) -> None:
    record = make_record(environment={"packages": {"harness": "0.1.0", "numpy": "2.3.0"}})
    again = make_record(environment={"packages": {"rnn-harness": "0.1.0", "numpy": "2.3.0"}})
    assert list(causes(record, again)) == []
    newer = make_record(environment={"packages": {"rnn-harness": "0.2.0", "numpy": "2.3.0"}})
    assert list(causes(record, newer)) == ["rnn-harness: 0.2.0, recorded 0.1.0"]


def test_a_new_wording_of_what_was_executed_is_no_cause(make_record: RecordFactory) -> None:
    def executed(how: str) -> Record:
        text = f"Python loop of aten::mm, {how}, freed memory kept"
        return make_record().model_copy(update={"executed": text})

    record, again = executed("its way back by hand"), executed("backward pass by hand")
    assert current_wording(record.executed) == again.executed
    assert list(causes(record, again)) == []
    found = causes(record, executed("by autograd"))
    assert [cause.partition(":")[0] for cause in found] == ["what computed the recurrence"]
    assert current_wording(None) is None


def test_names_of_today_stay() -> None:
    assert current_packages({"numpy": "2"}) == {"numpy": "2"}
    assert current_wording("aten::lstm") == "aten::lstm"
