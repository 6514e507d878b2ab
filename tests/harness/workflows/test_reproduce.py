"""What an environment cannot have is said before one is built."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import NOT_OK, OK
from harness.machine import software
from harness.records.run import Record
from harness.records.store import Store, read_all
from harness.specs.commandline import command_line
from harness.workflows import reproduce as reproducing
from harness.workflows.verify import to_run_again
from tests.conftest import ROOT
from tests.harness.conftest import RecordFactory


def told(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What both ways of running it say."""
    assert reproducing.reproduce(path, None, json_lines=True) == NOT_OK
    by_its_own = capsys.readouterr().out
    assert reproducing.by_current_code(path, None, json_lines=True) == NOT_OK
    by_ours = capsys.readouterr().out
    assert by_its_own == by_ours
    return judged(by_ours)


def judged(line: str) -> dict[str, Any]:
    judgement: dict[str, Any] = json.loads(line)
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
from harness.machine import software
from harness.workflows import reproduce
reproduce.python = lambda *_: Path(sys.executable)
reproduce.fetch = lambda record, source, place: place.symlink_to(software.SOURCE)
sys.exit(getattr(reproduce, sys.argv[2])(Path(sys.argv[1]), None, json_lines=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("way", ["by_current_code", "reproduce"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_command_ends_the_run_too(
    tmp_path: Path, make_record: RecordFactory, way: str, number: signal.Signals
) -> None:
    record = made(make_record(backend="numpy", variant="hoisted", steps=10**7, evaluate_every=10**6))
    path = Store(tmp_path).write(record)
    with subprocess.Popen([sys.executable, "-c", HERE, str(path), way], stdout=subprocess.DEVNULL) as command:
        started = []
        while command.poll() is None and len(started) < (1 if way == "by_current_code" else 2):
            started = psutil.Process(command.pid).children(recursive=True)
            time.sleep(0.05)
        command.send_signal(number)
        command.wait(60)
    assert started
    assert command.returncode not in (0, -signal.SIGTERM)
    alive = psutil.wait_procs(started, timeout=1)[1]
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == [], "one that nobody awaits is dead"


def made(record: Record, commit: str = "c" * 40) -> Record:
    """The record, as if this code had made it as that commit."""
    where = record.environment.model_copy(update={"git_commit": commit, "sources": software.sources()})
    return record.model_copy(update={"environment": where, "command": command_line(to_run_again(record))})


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository with this code as its only commit, and that."""
    place = tmp_path_factory.mktemp("repository")
    for floor in software.FLOORS:
        shutil.copytree(ROOT / floor, place / floor, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    for words in (["init", "-q"], ["add", "."], [*NOBODY, "commit", "-q", "-m", "this code"]):
        subprocess.run(["git", *words], cwd=place, check=True, capture_output=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=place, check=True, capture_output=True, text=True).stdout
    return place, commit.strip()


NOBODY = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]


def test_a_run_is_made_again_by_the_code_of_its_commit(
    tmp_path: Path, repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reproducing, "python", lambda *_: Path(sys.executable))
    source, commit = repository
    what = "--backend numpy --variant textbook --task sequential-digits --steps 20 --evaluate-every 10 --threads 1"
    words = ["run", *what.split(), "--results", str(tmp_path / "a")]
    subprocess.run([sys.executable, "-P", "-m", "harness", *words], check=True, capture_output=True)
    (record,) = read_all([tmp_path / "a"]).runs
    path = Store(tmp_path / "a").write(made(record, commit))
    kept = Store(tmp_path / "kept")
    kept.prepare()
    assert reproducing.reproduce(path, 120, json_lines=True, source=str(source), results=kept.folder) == OK
    assert judged_as(capsys.readouterr().out) == "bit-identical"
    (verdict,) = read_all([kept.folder]).verdicts
    (again,) = read_all([kept.folder]).runs
    assert (verdict.code, verdict.packages) == ("recorded", "versions")
    assert verdict.again is not None
    assert verdict.again.id == again.id
    other = made(record, commit).model_dump()["environment"]["sources"] | {"tasks": "0" * 64}
    where = made(record, commit).environment.model_copy(update={"sources": other})
    path = Store(tmp_path / "a").write(record.model_copy(update={"environment": where}))
    assert reproducing.reproduce(path, 120, json_lines=True, source=str(source)) == NOT_OK
    why = json.loads(capsys.readouterr().out)["why"]
    assert f"the source of tasks has SHA-256 {software.sources()['tasks']}, recorded {'0' * 64}" in why


def judged_as(line: str) -> str:
    verdict: str = json.loads(line)["verdict"]
    return verdict
