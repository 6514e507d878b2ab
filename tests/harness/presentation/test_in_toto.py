"""A verdict as an in-toto statement, held to the published schema: in-toto's own protocol buffers."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest

from harness.errors import UsageError
from harness.presentation.in_toto import RESULTS, STATEMENT, TEST_RESULT, statement
from harness.records.store import Store, read_all
from harness.records.verdict import OPINIONS, SO_FAR, VerdictRecord, Word
from harness.workflows.export import export
from tests.harness.conftest import made_record, made_verdict

SHA = "0" * 63


def checked(made: dict[str, Any]) -> Any:
    """The test result in a statement, read as in-toto's own library reads both."""
    pytest.importorskip("in_toto_attestation")
    from google.protobuf import json_format
    from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    assert (made["_type"], made["predicateType"]) == (STATEMENT, TEST_RESULT)
    Statement.copy_from_pb(json_format.ParseDict(made, Message())).validate()  # an unknown field is an error
    result = json_format.ParseDict(made["predicate"], TestResult())
    for each in result.configuration:
        ResourceDescriptor.copy_from_pb(each).validate()
        assert each.uri or each.digest, "the specification wants one of them"
    return result


@pytest.mark.parametrize("verdict", OPINIONS)
def test_every_verdict_is_a_test_result(verdict: Word) -> None:
    made = made_verdict(verdict=verdict, updates=50 if verdict in SO_FAR else 2000)
    result = checked(json.loads(json.dumps(statement(made, SHA + "a", SHA + "b"))))
    lists = {"PASSED": result.passed_tests, "WARNED": result.warned_tests, "FAILED": result.failed_tests}
    assert [name for name, tests in lists.items() if tests] == [result.result]
    (said,) = lists[result.result]
    assert said.endswith(f"updates: {verdict}")
    assert [each.digest["sha256"] for each in result.configuration[:1]] == [SHA + "a"]
    assert set(RESULTS) == {*OPINIONS} < {*get_args(Word)}


def test_only_a_clean_commit_stands_for_the_code() -> None:
    def digest(dirty: bool) -> dict[str, str]:
        made = made_verdict()
        code = made.harness.model_copy(update={"dirty": dirty})
        found = checked(statement(made.model_copy(update={"harness": code}), SHA, SHA)).configuration[1].digest
        return dict(found)

    assert (digest(True), digest(False)) == ({}, {"gitCommit": "b" * 40})


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, VerdictRecord]:
    """The files of a record and of a verdict on it, in a folder each."""
    record = made_record()
    for name in ("records", "verdicts"):
        Store(tmp_path / name).prepare()
    made = made_verdict(record)
    return Store(tmp_path / "records").write(record), Store(tmp_path / "verdicts").write(made), made


def test_its_subject_is_the_records_file_and_it_is_no_record(places: tuple[Path, Path, VerdictRecord]) -> None:
    record, verdict, _ = places
    found = export([verdict, record.parent], "in-toto")
    made = json.loads(found.path.read_text(encoding="utf-8"))
    checked(made)
    assert made["subject"] == [{"name": record.name, "digest": {"sha256": sha256(record.read_bytes()).hexdigest()}}]
    assert made["predicate"]["configuration"][0]["digest"]["sha256"] == sha256(verdict.read_bytes()).hexdigest()
    assert found.code.startswith("cosign attest-blob --key cosign.key --statement ")
    assert read_all([verdict.parent]).problems == []


def test_a_verdict_without_its_record_or_on_another_one_is_refused(places: tuple[Path, Path, VerdictRecord]) -> None:
    record, verdict, made = places
    with pytest.raises(UsageError, match="is not there: name its file, or its folder, too"):
        export([verdict], "in-toto")
    with pytest.raises(UsageError, match="takes one verdict, and the record that it is on: no verdict"):
        export([record], "in-toto")
    Store(verdict.parent).write(made_verdict(number=2))
    with pytest.raises(UsageError, match=": 2 verdicts"):
        export([verdict.parent, record], "in-toto")
    Store(record.parent).write(made_record(reason="another"))
    with pytest.raises(UsageError, match=rf"the verdict is on one with {made.judged.digest:.12}"):
        export([verdict, record], "in-toto")
    assert not list(verdict.parent.glob("*.statement"))
