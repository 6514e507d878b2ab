"""What an environment cannot have is said before one is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import NOT_OK
from harness.records.store import Store
from harness.workflows import reproduce as reproducing
from tests.harness.conftest import RecordFactory


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert reproducing.reproduce(path, None, json_lines=True) == NOT_OK
    judgement: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert judgement["verdict"] == "cannot run"
    return judgement


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"task": "riddle", "parameters": {}}, "unknown task 'riddle'"),
        ({"task": "echo", "parameters": {}}, "task 'echo' is another distribution's"),
        ({"backend": "madeup"}, "backend 'madeup' is another distribution's"),
        ({"threads": 4096}, "threads: this process may use"),
    ],
)
def test_what_no_environment_could_run_builds_none(
    tmp_path: Path, make_record: RecordFactory, plugin: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], spec: dict[str, Any], says: str,
) -> None:  # fmt: skip
    monkeypatch.delattr(reproducing, "python")
    record = make_record(backend="numpy", variant="textbook")
    record = record.model_copy(update={"spec": record.spec.model_copy(update=spec)})
    assert says in told(Store(tmp_path).write(record), capsys)["why"]


def test_a_run_without_a_result_builds_none(
    tmp_path: Path, make_record: RecordFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(reproducing, "python")
    path = Store(tmp_path).write(make_record(status="timeout"))
    assert told(path, capsys)["why"] == "its run was timeout: there is nothing to reproduce"


def test_what_this_project_has_can_be_had(make_record: RecordFactory) -> None:
    assert reproducing.cannot_be_had(make_record(backend="numpy", variant="textbook")) is None
