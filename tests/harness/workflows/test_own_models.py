"""Models of users' own from the command down: run, shown, run again, and what is refused before anything runs."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness import UsageError
from harness.analysis.verdict import judge
from harness.cli.parameters import parse
from harness.planning.runs import plan
from harness.records.run import Record
from harness.records.store import read_record
from harness.specs.options import RUN
from harness.specs.own import noted
from harness.workflows.verify import with_own_model
from tests.conftest import ROOT, Harness

pytest.importorskip("torch")
MODELS = ROOT / "tests" / "fixtures" / "own"
SMALL = ("--task", "sine", "--steps", "4", "--chunk", "2", "--batch", "4", "--threads", "1")


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a record of one, and what its command printed."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(MODELS / "torch_models.py", folder / "mine.py")
    words = ["run", "--model", "mine.py:Last", *SMALL, "-P", "readout=last", "--results", "records"]
    done = subprocess.run([sys.executable, "-m", "harness", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def record_of(folder: Path) -> Record:
    (path,) = (folder / "records").glob("*.json")
    return read_record(path)


def test_the_record_says_whose_model_it_is_and_every_table_marks_it(
    a_run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, printed = a_run
    record = record_of(folder)
    assert (record.gate, record.variant, record.spec.backend, record.spec.model.cell) == ("own", "own", "torch", "own")
    assert record.spec.model.source == "mine.py:Last"
    assert record.metrics is not None
    assert (record.metrics.flops_per_step, record.metrics.gflops) == (None, None)
    assert str(folder) not in record.model_dump_json()
    assert "--cell own --model mine.py:Last " in (record.command or "")
    monkeypatch.chdir(folder)
    assert plan(parse(RUN, shlex.split(record.command or "")[2:])) == [record.spec]
    found = harness.read(folder / "records")
    for text in (printed, str(found), found._repr_html_()):
        assert "own:" in text
        assert "a user's own model, held to no reference" in " ".join(text.split()).replace("&#39;", "'")
    assert found.frame()["model_source"].tolist() == ["mine.py:Last"]


def test_it_is_verified_with_the_file_that_the_user_names(a_run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = a_run
    (unnamed,) = harness.verify(folder / "records").rows
    assert unnamed.judgement.verdict == "cannot run"
    assert "code: if it is yours or you have read it, name it with --model mine.py" in unnamed.judgement.why
    (nowhere,) = harness.verify(folder / "records", model=tmp_path).rows
    assert "there is no " in nowhere.judgement.why
    for nothing in ("nowhere", "nowhere.py", "nowhere.py:Last"):
        with pytest.raises(UsageError, match="--model: there is no file "):
            harness.verify(folder / "records", model=tmp_path / nothing)
    (another,) = harness.verify(folder / "records", model=folder / "mine.py:Mean").rows
    assert another.judgement.why.startswith("it trained Last of mine.py (SHA-256 ")
    assert another.judgement.why.endswith("…), not Mean")
    (same,) = harness.verify(folder / "records", model=folder / "mine.py:Last").rows
    assert (same.judgement.verdict, same.judgement.why) == ("bit-identical", "same losses to the last bit")
    changed = tmp_path / "mine.py"
    changed.write_text((folder / "mine.py").read_text().replace("nn.Dropout(0.5)", "nn.Dropout(0.9)"))
    record = record_of(folder)
    again = record.model_copy(update={"spec": with_own_model(record.spec, changed)})
    then, now = record.spec.model.sha256, noted(changed)
    assert then is not None
    said = f"(SHA-256 {now[:12]}…, recorded {then[:12]}…)"
    assert judge(record, again).why == f"same losses to the last bit; the model's source has changed {said}"
    assert record.metrics is not None
    worse = {name: 10 * value for name, value in record.metrics.score.items()}
    again = again.model_copy(update={"metrics": record.metrics.model_copy(update={"score": worse})})
    found = judge(record, again)
    assert found.verdict == "different"
    assert found.causes[0] == f"the model's source: SHA-256 {now[:12]}…, recorded SHA-256 {then[:12]}…"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "nowhere.py:Last"), "--model: there is no file nowhere.py"),
        (("--model", "mine.py:Lost"), "--model: unknown name in mine.py 'Lost'; did you mean 'Last'"),
        (("--model", "mine.py:Last", "--backend", "jax"), "--backend jax: Last is a model for torch; leave"),
        (("--model", "mine.py:Last", "--cell", "gru"), "--cell gru: a model of your own comes in place of a cell"),
        (("--model", "mine.py:Last", "--variant", "nn"), "--variant nn: a model of your own comes in place of a cell"),
        (("--model", "slow.py:Last", "--timeout", "0.1"), "--model: slow.py was not imported within 0.1 s; --timeout"),
        (("--model", "mine.py:Last", "--save"), "--save is for the parameters of a cell"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_is_refused_before_anything_runs(
    harness: Harness, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    shutil.copy(MODELS / "torch_models.py", tmp_path / "mine.py")
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(99)\n")
    done = harness("run", *words, *SMALL)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_from_python_a_class_is_given_that_a_file_defines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(MODELS / "torch_models.py", tmp_path / "a_module_of_models.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    from a_module_of_models import Mean  # type: ignore[import-not-found]

    done = harness.run(model=Mean, task="sine", steps=4, chunk=2, batch=4, threads=1, results=tmp_path / "records")
    (record,) = done.runs
    assert (record.status, record.spec.model.source) == ("ok", "a_module_of_models.py:Mean")
    assert record.compared is not None
    assert record.compared.passed
    assert record.compared.prediction_distance is not None

    class Here(Mean):  # type: ignore[misc]
        pass

    for given, name in ((Here, "Here"), (Here(1, 1, 1), "a Here")):
        with pytest.raises(UsageError, match=rf"model: {name} is defined where no file .* .%%writefile my_model.py"):
            harness.run(model=given)
    with pytest.raises(UsageError, match="model takes FILE:NAME, or a class that a file defines, not 3"):
        harness.run(model=3)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "sub/fresh.py", raising=False)
    mine = type("Mine", (), {"__module__": "__main__"})
    with pytest.raises(UsageError, match=r"of the script that is running: give model='fresh\.py:Mine', and start runs"):
        harness.run(model=mine)
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    Here.__module__, Here.__qualname__ = "__main__", "Here"  # as of a notebook's cell
    with pytest.raises(UsageError, match=r"model='my_model\.py:Here'"):
        harness.run(model=Here)


def test_a_cell_is_numpys_with_its_backward_pass_and_unavailable_without(harness: Harness, tmp_path: Path) -> None:
    shutil.copy(MODELS / "cells.py", tmp_path / "mine.py")
    done = harness("run", "--model", "mine.py:Minimal", "--backend", "numpy", *SMALL, "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"], record["variant"]) == (0, "ok", "own")
    assert 0 < record["gate"]["gradient_distance"] < 1e-8
    assert record["executed"].startswith("Python loop of Minimal, ")
    done = harness("run", "--model", "mine.py:Two", "--backend", "numpy", *SMALL, "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"]) == (1, "unavailable")
    assert "Two brings no backward pass: add a function backward(xp, p, x, state, d_state)" in record["reason"]
    done = harness("run", "--model", "mine.py:Backwards", "--backend", "numpy", *SMALL, "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"], record["gate"]["passed"]) == (1, "failed", False)
    assert record["reason"].startswith(
        "did not pass the gate: backward of Backwards gives a gradient of Uf that is 2.0e+00"
    )


def test_one_that_trains_nothing_fails_before_the_clock(harness: Harness, tmp_path: Path) -> None:
    shutil.copy(MODELS / "torch_models.py", tmp_path / "mine.py")
    done = harness("run", "--model", "mine.py:Idle", *SMALL, "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"], record["curve"]) == (1, "failed", [])
    assert record["reason"].startswith("Idle trains nothing: ")
