"""A user's own data from end to end: every backend trains alike on it, and records find it again by its digest."""

from __future__ import annotations

import json
import math
import os
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasks
from backends import reference
from backends.parameters import initial
from harness.analysis.verdict import Judgement
from harness.datasets import keeping
from harness.records.run import Record
from harness.records.store import Store, read_record
from harness.specs.run import RunSpec
from harness.workflows import reproduce as reproducing
from harness.workflows.compare import shape
from harness.workflows.verify import missing_data, verify_all
from tests.conftest import Harness
from tests.fixtures.own_data import arrays, kept
from tests.harness.conftest import made_record

BACKENDS = [name for name in ("numpy", "torch", "tensorflow", "jax") if find_spec(name) is not None]


def expected_losses(record: Record) -> list[float]:
    """The float64 reference's losses before each update of the record's run."""
    spec = record.spec
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job = spec.job(task)
    start = initial(job.model, spec.initialisation_spec(), spec.seed)
    batches = [task.batch("train", index, spec.batch).astype("float64") for index in range(spec.steps)]
    return [float(loss) for loss in reference.train(job, start, batches)[0]]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("class", ["--bidirectional", "--layers", "2"]), ("class-per-step", [])],
)
def test_sequences_of_different_lengths_train_alike_on_every_backend(
    harness: Harness, own_data: Path, tmp_path: Path, kind: str, words: list[str]
) -> None:
    kept("mine", **arrays(kind, variable=True))
    chosen = [word for name in BACKENDS for word in ("--backend", name)]
    sizes = "--hidden 4 --batch 5 --steps 8 --evaluate-every 1 --lr 0.01 --precision float64 --threads 1".split()
    done = harness("run", "--task", "mine", *chosen, *sizes, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [read_record(path) for path in (tmp_path / "results" / "local").glob("*.json")]
    assert {record.spec.backend for record in records} == set(BACKENDS)
    expected = expected_losses(records[0])
    for record in records:
        np.testing.assert_allclose([point.train_loss for point in record.curve[1:]], expected, rtol=1e-9)
        for ours, theirs in zip(record.curve, records[0].curve, strict=True):
            assert ours.loss == pytest.approx(theirs.loss, rel=1e-9)
            assert ours.scores == pytest.approx(theirs.scores, rel=1e-9)


def test_a_contest_has_the_lengths_of_the_data(own_data: Path) -> None:
    stored = kept("mine", **arrays(variable=True))
    spec = about(stored.short).spec
    assert (shape(spec).shortest, shape(spec).length) == (stored.shortest, 6)
    assert shape(about(kept("equal", **arrays()).short).spec).shortest is None


def about(short: str, **changes: Any) -> Record:
    """The record of a run that learned from a data set called mine."""
    record = made_record("adding", "numpy", "lstm", variant="textbook", parameters={"data": short})
    return record.model_copy(update={"spec": record.spec.model_copy(update={"task": "mine", **changes})})


def judged(record: Record, folder: Path) -> Judgement:
    store = Store(folder)
    store.prepare()
    path = store.write(record)
    rows, _ = verify_all([path], math.inf, None, json_lines=False)
    return rows[0].judgement


def test_a_record_finds_its_data_under_another_name(harness: Harness, own_data: Path, tmp_path: Path) -> None:
    kept("mine", **arrays())
    words = "--task mine --backend numpy --threads 1 --hidden 3 --batch 8 --epochs 2 --results one".split()
    assert harness("run", *words).returncode == 0
    with keeping.locked() as place:
        keeping.remove("mine", place)
    kept("yours", **arrays())
    done = harness("verify", "one", "--json")
    assert json.loads(done.stdout)["verdict"] == "bit-identical"
    (path,) = (tmp_path / "one").glob("*.json")
    record = read_record(path)
    command = shlex.split(record.command or "")
    again = harness(*command[1:], "--dry-run", "--json")
    assert RunSpec.model_validate_json(again.stdout) == record.spec, again.stderr
    kept("mine", **arrays("class"))
    done = harness("verify", "one", "--json")
    assert json.loads(done.stdout)["verdict"] == "bit-identical", "other data has its name by now"
    again = harness(*command[1:], "--dry-run", "--json")
    assert RunSpec.model_validate_json(again.stdout) == record.spec, again.stderr


def test_missing_data_is_named_in_one_line_with_the_command_that_adds_it(own_data: Path, tmp_path: Path) -> None:
    judgement = judged(about("0123456789abcdef"), tmp_path / "kept")
    assert judgement.verdict == "cannot run"
    assert judgement.why == (
        "data set 'mine' of SHA-256 0123456789abcdef is missing; add the same data again: "
        "harness data add mine --x X.npy --y Y.npy, or its file, with the options of then"
    )


def test_data_that_differs_is_another_task_and_the_first_cause(own_data: Path, tmp_path: Path) -> None:
    stored = kept("mine", **arrays())
    judgement = judged(about("0123456789abcdef"), tmp_path / "kept")
    assert judgement.verdict == "other task"
    assert judgement.causes[0] == f"the data differs (SHA-256 {stored.short[:12]}…, recorded 0123456789ab…)"
    assert "harness data add NAME" in judgement.why


def test_a_digest_that_is_none_cannot_run(own_data: Path, tmp_path: Path) -> None:
    kept("mine", **arrays())
    for odd in ("../../../etc", "*"):
        judgement = judged(about(odd), tmp_path / str(len(odd)))
        assert (judgement.verdict, "data must be a SHA-256" in judgement.why) == ("cannot run", True)


def test_reproduce_needs_the_data_and_no_plug_in(
    own_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(reproducing, "python")
    path = Store(tmp_path).write(about("0123456789abcdef"))
    assert reproducing.by_current_code(path, None, json_lines=False) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(
        "cannot run: data set 'mine' of SHA-256 0123456789abcdef is missing; add the same data again"
    )
    stored = kept("yours", **arrays())
    record = about(stored.short, batch=8)
    assert reproducing.cannot_be_had(record) is None
    assert missing_data(record.spec) is None


def test_a_run_whose_data_is_gone_is_refused_in_one_line(harness: Harness, own_data: Path) -> None:
    done = harness("run", "--task", "mine", "--backend", "numpy", "--threads", "1")
    assert (done.returncode, done.stderr) == (2, "harness: unknown task 'mine'; did you mean 'sine'?\n")
    kept("mine", **arrays())
    done = harness("run", "--task", "mine", "-P", "data=0123456789abcdef", "--backend", "numpy", "--threads", "1")
    assert done.returncode == 2
    assert done.stderr.startswith("harness: data set 'mine' of SHA-256 0123456789abcdef is missing; add the same data")


def test_files_that_were_changed_make_a_run_unavailable(harness: Harness, own_data: Path) -> None:
    kept("mine", **arrays())
    (path,) = own_data.rglob("train-x.npy")
    os.truncate(path, path.stat().st_size - 4)
    done = harness("run", "--task", "mine", "--backend", "numpy", "--threads", "1", "--steps", "4", "--batch", "4")
    assert done.returncode == 1
    assert "cannot read train-x of data set" in done.stdout
