"""Records run again and judged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.opinions import opinions
from harness.presentation import folders
from harness.presentation.report import write
from harness.records import seal
from harness.records.run import Record
from harness.records.store import Found, Store, StoreError, named_in, read, read_all, read_record
from harness.workflows.verify import to_run_again, unknown, verify_all
from tests.conftest import python_path
from tests.harness.conftest import made_speed

ROOT = Path(__file__).resolve().parents[3]


RecordFactory = Callable[..., Record]


QUICK = "--backend numpy --task sequential-digits --steps 20 --evaluate-every 10 --threads 1".split()


def harness(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness", *arguments], capture_output=True, text=True, cwd=cwd, timeout=240
    )


def test_names_outside_the_registries_are_never_loaded(make_record: RecordFactory) -> None:
    spec = make_record().spec
    for update in ({"backend": "os"}, {"task": "subprocess"}, {"threads": 4096}):
        assert unknown(spec.model_copy(update=update))
    assert unknown(spec.model_copy(update={"parameters": {"length": "$(reboot)"}}))


@pytest.mark.parametrize("name", ["../../etc/passwd", "os;rm -rf /", "$(id)", "tasks.adding:Adding"])
def test_a_spec_cannot_name_a_path_or_a_shell_fragment(tmp_path: Path, make_record: RecordFactory, name: str) -> None:
    document = json.loads(Store(tmp_path).write(make_record()).read_text())
    document["spec"]["backend"] = name
    document["digest"] = seal.digest(document)  # resealed, as its author would
    (tmp_path / "evil.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="backend"):
        read(tmp_path / "evil.json")


def test_a_report_stands_for_the_records_that_it_names(tmp_path: Path, make_record: RecordFactory) -> None:
    records = [
        make_record(seed=seed).model_copy(update={"id": f"20261124T08000{seed}Z-adding-torch-lstm-0123abc{seed}"})
        for seed in (1, 2)
    ]
    store = Store(tmp_path)
    written = [store.write(record) for record in records]
    for page in write(Found(records), tmp_path / "report", "Two runs")[:2]:
        assert sorted(named_in(page)) == sorted(written)
    written[1].unlink()
    assert not list(named_in(tmp_path / "report" / "report.md"))[1].exists()
    (tmp_path / "empty.md").write_text("../../etc/passwd.json")
    with pytest.raises(StoreError, match="names no record"):
        list(named_in(tmp_path / "empty.md"))


def test_two_verifies_of_one_record_end_alike(tmp_path: Path) -> None:
    """Of a run with dropout, whose masks are drawn again, and with smoothed labels."""
    regularised = ["--layers", "2", "--dropout", "0.2", "--input-dropout", "0.1", "--label-smoothing", "0.1"]
    assert harness("run", *QUICK, *regularised, cwd=tmp_path).returncode == 0
    command = [sys.executable, "-P", "-m", "harness", "verify", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    told = [json.loads(each.communicate(timeout=240)[0]) for each in both]
    assert [each["verdict"] for each in told] == ["bit-identical"] * 2


def test_verify_from_the_command_line(tmp_path: Path) -> None:
    assert harness("run", *QUICK, "--results", "kept", cwd=tmp_path).returncode == 0
    (path,) = (tmp_path / "kept").glob("*.json")
    record = read_record(path)
    assert record.environment.packages["numpy"] == record.environment.versions["numpy"]
    assert record.command
    assert record.command.startswith("harness run --backend numpy")
    assert record.noise is not None
    done = harness("verify", "kept", "--json", "--results", "kept", cwd=tmp_path)
    assert json.loads(done.stdout)["verdict"] == "bit-identical", done.stderr
    assert done.returncode == 0
    told(tmp_path / "kept", record)
    done = harness("verify", "kept", "--updates", "11", "--results", "kept", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 records: 1 bit-identical so far" in done.stdout
    (part,) = read_all([tmp_path / "kept"]).verdicts
    assert (part.updates, part.updates_recorded, part.again) == (10, 20, None)
    assert len(list((tmp_path / "kept").glob("*.json"))) == 2, "a run of the first updates is no record"
    (tmp_path / "kept" / f"{part.id}.json").unlink()
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9'))
    (tmp_path / "kept" / "broken.json").write_text("{")
    speed = Store(tmp_path / "kept").write(made_speed())
    speed.write_text(speed.read_text().replace('"threads": 1', '"threads": 2'))
    done = harness("verify", "kept", cwd=tmp_path)
    assert done.returncode == 1
    assert "altered" in done.stdout
    assert "not JSON" in done.stdout
    assert "3 records: 1 cannot run, 2 altered" in done.stdout


def told(folder: Path, record: Record) -> None:
    """The verdict lies beside the record and the new run, names both, counts for it, and leaves with the latter."""
    found = read_all([folder])
    assert found.problems == []
    assert folders.read_all([folder]).verdicts == found.verdicts
    (verdict,) = found.verdicts
    (again,) = [each for each in found.runs if each.id != record.id]
    assert verdict.judged.digest == record.digest
    assert verdict.again is not None
    assert (verdict.again.id, verdict.again.digest) == (again.id, again.digest)
    assert (verdict.updates, verdict.updates_recorded) == (20, 20)
    assert verdict.found.step_ms is not None
    assert verdict.harness.sources == verdict.environment_recorded.sources
    counted = opinions(found.verdicts, found.seals)
    assert counted.uncounted == []
    assert counted.of(record.digest).sentence == "made again on 1 machine, its own: bit-identical"
    file = folder / f"{verdict.id}.json"
    shown = harness("show", str(file), cwd=folder)
    assert "The record judged" in shown.stdout, shown.stderr
    assert record.digest in shown.stdout
    file.unlink()
    (folder / f"{again.id}.json").unlink()


THEIRS = """
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from tasks.base import Batch, Preset, Task, loss_value


@dataclass(frozen=True, kw_only=True)
class Rows(Task):
    name: ClassVar[str] = "rows"
    summary: ClassVar[str] = "say a row's first number"
    loss: ClassVar[str] = "mse"
    score_name: ClassVar[str] = "mse"
    presets: ClassVar[dict] = {"smoke": Preset(steps=10, hidden=3, batch=4, evaluate_every=5)}
    steps_in = property(lambda self: 3)
    inputs = outputs = property(lambda self: 1)
    readout = property(lambda self: "last")
    baseline = property(lambda self: {"mse": 1.0})

    def size(self, split):
        return None if split == "train" else 8

    def batch(self, split, index, size):
        with Path(__file__).with_name("rows.csv").open() as file:
            rows = np.array([[float(each) for each in row] for row in csv.reader(file)])
        start = {"validation": 0, "test": 8, "train": 16}[split]
        part = rows[start : start + size]
        return Batch(part[:, :, None], part[:, :1])

    def score(self, predictions, batch):
        return {"mse": loss_value("mse", predictions, batch.y)}

    def solved(self, scores):
        return False
"""


def test_a_third_partys_changed_data_or_code_is_another_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    about = theirs / "rows-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rows\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[harness.tasks]\nrows = rows_task:Rows\n")
    (theirs / "rows_task.py").write_text(THEIRS)
    (theirs / "rows.csv").write_text("0.1,0.2,0.3\n" * 20)
    monkeypatch.setenv("PYTHONPATH", python_path(theirs))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert harness("run", "--backend", "numpy", "--task", "rows", "--threads", "1", cwd=tmp_path).returncode == 0

    def verified() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(harness("verify", "results/local", "--json", cwd=tmp_path).stdout)
        return found

    (theirs / "rows_task.py").write_text(THEIRS + "# a remark\n")
    assert verified()["verdict"] == "bit-identical"
    (theirs / "rows_task.py").write_text(THEIRS.replace('{"mse": loss_value', '{"mse": 1.001 * loss_value'))
    code = verified()
    assert (code["verdict"], code["why"][:23]) == ("other task", "the task's code differs")
    (theirs / "rows_task.py").write_text(THEIRS)
    (theirs / "rows.csv").write_text("0.1,0.2,0.3\n" * 19 + "0.1,0.2,0.301\n")
    data = verified()
    assert (data["verdict"], data["why"][:16]) == ("other task", "the data differs")


def test_a_record_with_a_former_name_is_run_again_under_the_present_one(make_record: RecordFactory) -> None:
    record = make_record(backend="numpy", variant="halves")
    assert to_run_again(record).variant == "parts"
    assert record.variant == "halves"
    never_ran = make_record(backend="numpy", status="unavailable").model_copy(update={"variant": None})
    assert to_run_again(never_ran).variant == never_ran.spec.variant


def test_copies_of_a_record_are_verified_once_and_another_under_its_id_is_no_record(
    tmp_path: Path, make_record: RecordFactory
) -> None:
    record = make_record(status="failed", reason="a test")  # has no result, so that nothing is run
    for name, each in (("a", record), ("b", record), ("c", record.model_copy(update={"reason": "another"}))):
        Store(tmp_path / name).prepare()
        Store(tmp_path / name).write(each)
    rows, problems = verify_all([tmp_path], 60, None, json_lines=False)
    assert problems == []
    (other,) = [row for row in rows if row.record is None]
    assert other.judgement.verdict == "cannot run"
    assert "another record than" in other.judgement.why
    assert len(rows) == 2


def test_what_is_left_when_the_time_for_all_is_over_is_named(tmp_path: Path, make_record: RecordFactory) -> None:
    Store(tmp_path).prepare()
    for number in range(3):
        Store(tmp_path).write(make_record(status="failed", reason="a test", number=number))
    times = iter([0.0, 4.0, 9.0, 10.0])
    rows, problems = verify_all([tmp_path], 60, None, json_lines=False, within=10, clock=lambda: next(times))
    assert problems == []
    assert [row.judgement.why for row in rows] == [
        "the record has no result to verify: its run was failed",
        "the record has no result to verify: its run was failed",
        "all runs together have taken 10 s (--within)",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_is_left_after_an_interrupt_is_named_and_no_success(tmp_path: Path, make_record: RecordFactory) -> None:
    Store(tmp_path).prepare()
    for number in range(2):
        Store(tmp_path).write(
            make_record(backend="numpy", variant="hoisted", number=number, seed=number, steps=20, evaluate_every=10)
        )
    command = [sys.executable, "-P", "-m", "harness", "verify", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as verifying:
        assert verifying.stdout is not None
        first = verifying.stdout.readline()
        verifying.send_signal(signal.SIGINT)
        told = [json.loads(line) for line in (first, *verifying.stdout)]
    assert told[0]["verdict"] == "different", told
    assert (told[1]["verdict"], told[1]["why"]) == ("cannot run", "interrupted")
    assert verifying.returncode == 1
