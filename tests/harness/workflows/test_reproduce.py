"""What an environment cannot have is said before one is built."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
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


#: ``reproduce`` with this Python in place of an environment that would have to be built.
HERE = """
import sys
from pathlib import Path
from harness.workflows import reproduce
reproduce.python = lambda *_: Path(sys.executable)
sys.exit(reproduce.reproduce(Path(sys.argv[1]), None, json_lines=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_to_the_command_ends_the_run_too(tmp_path: Path, make_record: RecordFactory) -> None:
    path = Store(tmp_path).write(make_record(backend="numpy", variant="hoisted", steps=10**7, evaluate_every=10**6))
    with subprocess.Popen([sys.executable, "-c", HERE, str(path)], stdout=subprocess.DEVNULL) as command:
        started = []
        while command.poll() is None and not started:
            started = psutil.Process(command.pid).children(recursive=True)
            time.sleep(0.05)
        command.send_signal(signal.SIGTERM)
        command.wait(60)
    assert started
    assert command.returncode not in (0, -signal.SIGTERM)
    assert not psutil.wait_procs(started, timeout=1)[1]
