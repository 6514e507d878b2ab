"""Parameters that a run keeps, and that another one starts from: from the command down."""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasks
from backends import reference
from harness.errors import UsageError
from harness.planning.runs import plan
from harness.processes.supervise import Files, execute
from harness.records.run import Record
from harness.records.saved import read
from harness.records.store import Store, StoreError, read_all
from harness.workflows import run as running
from harness.workflows import saving
from harness.workflows.saving import check_fit, handing, start_of, with_saved
from tests.conftest import Harness
from tests.fixtures.saved import MODELS, saved
from tests.harness.conftest import made_record

RUN = ("run", "--task", "sine", "-P", "length=24", "--hidden", "6", "--threads", "1", "--json")
STEPS = ("--steps", "40", "--evaluate-every", "10", "--lr", "0.02")
#: Of the largest prediction: float32 sums over 24 steps and six units, against float64.
TOLERANCE = 1e-5


def ran(harness: Harness, *words: str) -> dict[str, Any]:
    """The record of a run, as it is printed."""
    done = harness(*RUN, *words)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def results(tmp_path: Path) -> Path:
    return tmp_path / "results" / "local"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("backend", "score_at"),  # what a backend gives is the same code for both
    [("numpy", "final"), ("numpy", "best-validation"), ("torch", "final"), ("tensorflow", "final"), ("jax", "final")],
)
def test_what_is_scored_is_kept_with_its_predictions(
    harness: Harness, tmp_path: Path, backend: str, score_at: str
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    lr = "1" if score_at == "best-validation" else "0.02"  # so large a rate that the last update is not the best
    words = ("--backend", backend, "--steps", "15", "--evaluate-every", "5", "--lr", lr, "--score-at", score_at)
    record = ran(harness, *words, "--save")
    folder, name = results(tmp_path), record["id"]
    assert names(folder) == [f"{name}.json", f"{name}.predictions.npz", f"{name}.safetensors"]
    (kept,) = read_all([folder]).records
    assert kept.saved is not None
    assert kept.metrics is not None
    if score_at == "best-validation":
        assert kept.metrics.score_step < 15, "the test needs a run whose last parameters are not its best"
    found = read(folder / f"{name}.json")
    assert {array.dtype.name for array in found.parameters.values()} == {"float32"}
    predictions = np.load(folder / f"{name}.predictions.npz")["predictions"]
    task = tasks.load(kept.spec.task, kept.spec.parameters, kept.spec.seed)
    test = task.held_out("test")
    expected = reference.forward(found.model, found.parameters, test.x).outputs
    assert predictions.shape == expected.shape
    assert np.abs(predictions - expected).max() <= TOLERANCE * np.abs(expected).max()
    again = task.score(predictions, test.astype("float32"))
    assert again[kept.metrics.main_score] == pytest.approx(kept.metrics.main, rel=1e-6)


def test_double_precision_is_kept_in_full(harness: Harness, tmp_path: Path) -> None:
    record = ran(harness, "--backend", "numpy", "--steps", "2", "--precision", "float64", "--save")
    found = read(results(tmp_path) / f"{record['id']}.safetensors")
    assert {array.dtype.name for array in found.parameters.values()} == {"float64"}


def test_nothing_is_kept_that_was_not_asked_for(harness: Harness, tmp_path: Path) -> None:
    record = ran(harness, "--backend", "numpy", "--steps", "2")
    assert record["saved"] is None
    assert names(results(tmp_path)) == [f"{record['id']}.json"]


def test_saving_changes_nothing_that_is_measured(harness: Harness) -> None:
    """The same losses, the same blocks: what is kept is fetched when all else is done."""
    one, two = (ran(harness, "--backend", "numpy", *STEPS, *more) for more in ((), ("--save",)))
    assert [point["losses_sha256"] for point in one["curve"]] == [point["losses_sha256"] for point in two["curve"]]
    for blocks in ("train_blocks", "predict_blocks"):
        assert len(one["metrics"][blocks]) == len(two["metrics"][blocks])


def test_a_run_goes_on_where_the_saved_one_ended_and_is_verified(harness: Harness, tmp_path: Path) -> None:
    first = ran(harness, "--backend", "numpy", *STEPS, "--save")
    folder = results(tmp_path)
    for backend in filter(find_spec, ("numpy", "torch")):  # canonical parameters reach each backend by one way
        second = ran(
            harness, "--backend", backend, *STEPS, "--seed", "1", "--from", str(folder / f"{first['id']}.json")
        )
        assert second["spec"]["start"] == first["saved"]["parameters"]
        assert second["curve"][0]["loss"] == pytest.approx(first["curve"][-1]["loss"], rel=1e-5)
        assert second["curve"][-1]["loss"] < first["curve"][0]["loss"]
        assert f"--from {first['saved']['parameters']}" in second["command"]
        assert str(tmp_path) not in json.dumps(second), "no path is in a record"

    done = harness(*RUN, "--backend", "numpy", "--steps", "2", "--from", first["saved"]["parameters"], "--dry-run")
    assert json.loads(done.stdout)["start"] == first["saved"]["parameters"]
    verdicts = harness("verify", str(folder), "--json")
    assert [json.loads(line)["verdict"] for line in verdicts.stdout.splitlines()] == ["bit-identical"] * len(
        list(folder.glob("*.json"))
    )


def test_where_the_saved_parameters_are_gone_verify_and_reproduce_say_so(harness: Harness, tmp_path: Path) -> None:
    first = ran(harness, "--backend", "numpy", "--steps", "2", "--save")
    folder = results(tmp_path)
    second = ran(harness, "--backend", "numpy", "--steps", "2", "--from", str(folder / f"{first['id']}.safetensors"))
    (tmp_path / "alone").mkdir()
    record = Path(shutil.copy(folder / f"{second['id']}.json", tmp_path / "alone"))
    for command in (["verify"], ["reproduce", "--current-code"]):
        done = harness(*command, str(record), "--json")
        told = json.loads(done.stdout)
        start = f"it starts from saved parameters with SHA-256 {first['saved']['parameters'][:12]}…"
        assert (done.returncode, told["verdict"]) == (1, "cannot run")
        assert told["why"] == f"{start}; no file beside the record has it"


def bad_files(folder: Path) -> dict[str, str]:
    """Files that no run can start from and nothing can be exported from, with what is said of each."""
    good = saved(folder, MODELS["lstm-one-every"])
    changed = saved(folder, MODELS["gru-one-every"], number=1)
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    (folder / "text.safetensors").write_text("not a model")
    with (folder / "huge.safetensors").open("wb") as sparse:
        sparse.truncate(5 * 2**30)
    found = {
        "text.safetensors": "not a safetensors file",
        "huge.safetensors": "larger than any saved parameters",
        "nowhere.safetensors": "No such file or directory",
        changed.name: "altered since it was saved",
        Store(folder).write(made_record(number=2)).name: "nothing was saved with it",
        good.with_suffix(".predictions.npz").name: "not a safetensors file",
        ".": "not a regular file",
    }
    if sys.platform != "win32":
        os.mkfifo(folder / "pipe.safetensors")
        found["pipe.safetensors"] = "not a regular file"
    return found


def test_what_cannot_be_started_or_exported_from_is_one_line_and_leaves_nothing(
    harness: Harness, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    bad = bad_files(folder)
    before = names(folder)
    for name, says in bad.items():
        for words in ([*RUN, "--backend", "numpy", "--from"], ["export", "--to", "torch"]):
            done = harness(*words, str(folder / name), timeout=60)
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), (words, done.stderr)
            assert says in done.stderr
    assert names(folder) == before
    assert not results(tmp_path).exists()


def test_parameters_of_another_model_are_refused_in_one_line(harness: Harness, tmp_path: Path) -> None:
    file = saved(tmp_path, MODELS["gru-one-every"])
    done = harness(*RUN, "--backend", "numpy", "--from", str(file))
    assert done.returncode == 2
    said = "cell is gru there and lstm here; inputs is 3 there and 1 here; hidden is 5 there and 6 here"
    assert f"--from: the parameters in {file.name} do not fit: {said}; outputs is 2 there and 1 here\n" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("compare", "--a", "--lr 1", "--b", "--lr 2"), ("parity",)])
@pytest.mark.parametrize("option", [("--save",), ("--from", "0" * 64)])
def test_other_commands_refuse_both_options(harness: Harness, words: tuple[str, ...], option: tuple[str, ...]) -> None:
    done = harness(*words, "--backend", "numpy", *option)
    assert done.returncode == 2
    assert f"{option[0]} is for harness run alone" in done.stderr


def test_without_the_library_one_line_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.records.saved.find_spec", lambda name: None)
    for options in ({"save": True, "start": None}, {"save": False, "start": "x", "results": Path()}):
        with pytest.raises(UsageError, match=r"--\w+ needs safetensors: pip install 'rnn-harness\[save\]'"):
            start_of(options)


def test_a_spec_without_a_start_needs_no_fitting() -> None:
    check_fit(plan({"backend": "numpy", "threads": 1}), None)


def test_what_the_worker_could_not_write_is_said_and_the_record_kept(tmp_path: Path) -> None:
    record = made_record()
    (tmp_path / "empty").touch()
    with pytest.raises(StoreError, match=f"{record.id}: its parameters are not saved: No space left on device"):
        with_saved(record, Files(keep=tmp_path / "empty", problem="No space left on device"), tmp_path)
    with pytest.raises(StoreError, match="the worker's file is no good"):
        with_saved(record, Files(keep=tmp_path / "empty"), tmp_path)
    failed = made_record(status="failed")
    assert with_saved(failed, Files(keep=tmp_path / "empty"), tmp_path) is failed
    assert with_saved(record, Files(), tmp_path) is record
    assert names(tmp_path) == ["empty"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
def test_a_worker_without_room_says_so_and_its_run_is_ok() -> None:
    files = Files(keep=Path("/dev/full"))
    spec = plan({"backend": "numpy", "parameter": "length=4", "steps": 2, "threads": 1, "hidden": 3})[0]
    record = execute(spec, 60, lambda _: None, files=files)
    assert (record.status, files.problem) == ("ok", "No space left on device")
    assert record.metrics is not None


def test_a_run_that_was_not_handed_its_start_fails() -> None:
    spec = plan({"backend": "numpy", "parameter": "length=4", "steps": 2, "threads": 1, "start": "0" * 64})[0]
    record = execute(spec, 60, lambda _: None)
    assert record.status == "failed"
    assert record.reason == "the spec starts from saved parameters, which were not handed over"


def test_a_run_whose_parameters_cannot_be_saved_is_kept_and_not_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(record: Record, files: Files, folder: Path) -> Record:
        raise StoreError("no room")

    monkeypatch.setattr(running, "with_saved", full)
    specs = plan({"backend": "numpy", "parameter": "length=4", "steps": 2, "threads": 1, "hidden": 3})
    assert not running.run_all(specs, Store(tmp_path), None, json_lines=True, save=True)
    assert "harness: no room" in capsys.readouterr().err
    (record,) = read_all([tmp_path]).records
    assert (record.status, record.saved) == ("ok", None)


def test_the_files_that_arrays_pass_through_are_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with handing(tmp_path, {"head.b": np.ones(2)}, save=True) as files:
        assert files.start is not None
        assert np.load(files.start)["head.b"].tolist() == [1, 1]
        assert [name.endswith(".harness.tmp") for name in names(tmp_path)] == [True, True]
    assert names(tmp_path) == []

    def full(file: Any, **arrays: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    no_room = pytest.raises(saving.NotHandedOver, match="its parameters cannot be handed over: No space left on device")
    with no_room, handing(tmp_path, {"head.b": np.ones(2)}, save=True):
        pass
    assert names(tmp_path) == []
