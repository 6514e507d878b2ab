"""Second opinions: counted by machine, and only on records that are here and what they were."""

from __future__ import annotations

import pytest

from harness.analysis.opinions import opinions
from harness.records.verdict import VerdictRecord
from tests.harness.conftest import made_record, made_verdict

RECORD = made_record()
SEALS = {RECORD.id: RECORD.digest}
OWN = made_verdict(RECORD, number=1)
THERE = made_verdict(RECORD, "same result", number=2, cpu="Another CPU")
LARGER = made_verdict(RECORD, number=3, cpu="Another CPU", memory_bytes=64 * 2**30)
PART = made_verdict(RECORD, "bit-identical so far", number=4, updates=50, cpu="A third CPU")


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ([], "not made again by anyone yet"),
        ([OWN], "made again on 1 machine, its own: bit-identical"),
        ([LARGER, OWN, THERE], "made again on 3 machines, its own among them: 2 bit-identical, 1 same result"),
        ([OWN, made_verdict(RECORD, "different", number=9, os="Linux 7.0")],
         "made again on 1 machine, its own: different"),  # a newer kernel, and what was found last
        ([PART], "its first 50 of 2,000 updates on 1 machine: bit-identical so far"),
        ([THERE, PART], "made again on 1 machine: same result; its first 50 of 2,000 updates on 1 more machine: "
         "bit-identical so far"),
        ([THERE, made_verdict(RECORD, "different", number=9, updates=50, cpu="Another CPU")],
         "made again on 1 machine: same result"),  # all updates count more than the first of them
    ],
)  # fmt: skip
def test_they_are_counted_by_machine(verdicts: list[VerdictRecord], sentence: str) -> None:
    counted = opinions(verdicts, SEALS)
    assert counted.of(RECORD.digest).sentence == sentence
    assert counted.uncounted == []


def test_what_does_not_count_is_said() -> None:
    other = made_record(number=7)
    changed = made_verdict(RECORD.model_copy(update={"reason": "as it was then"}), number=5)
    looked = made_verdict(RECORD, "other task", number=6, updates=None)
    counted = opinions([made_verdict(other), changed, looked, OWN], SEALS)
    assert counted.of(RECORD.digest).whole == [OWN]
    away, altered, without = counted.uncounted
    assert f"the record that it judges, {other.id}, is not here" in away
    assert f"had the digest {changed.judged.digest:.12}… then, and has {RECORD.digest:.12}… now" in altered
    assert without.endswith("other task, without a run")
