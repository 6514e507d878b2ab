"""Parity with the reference: what is found, what is named first, and how the command ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.base import Trainer
from backends.job import Job, Parameters
from backends.numpy import NumpyBackend
from harness.errors import UsageError
from harness.planning.runs import plan
from harness.protocol import Parity
from harness.worker import parity, preparation
from harness.workflows.parity import Agreement, agree, closing, questions, with_small_batch
from tests.workers import started_here

SPEC = with_small_batch(plan({"backend": "numpy", "threads": 1, "hidden": 4}), None)[0]


class Faster(NumpyBackend):
    """Trains at another rate than it is told, but for plain descent."""

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        if job.optimizer.name == "adam":
            job = replace(job, optimizer=replace(job.optimizer, lr=2 * job.optimizer.lr))
        return super().build(job, parameters)


def looked(
    monkeypatch: pytest.MonkeyPatch, backend: NumpyBackend, precisions: tuple[str, ...] = ("float64", "float32")
) -> list[Agreement]:
    heard: list[Any] = []
    monkeypatch.setattr(preparation, "load", lambda *_: backend)
    monkeypatch.setattr(backend, "start", lambda job: None)  # the tests' own process keeps its settings
    parity.compare(Parity(SPEC.model_dump(mode="json"), [0], 3, 7, list(precisions)), heard.append)
    return [Agreement("adding lstm numpy", **vars(event)) for event in heard]


def test_a_sound_backend_agrees_in_both_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked(monkeypatch, NumpyBackend())
    assert agree(found)
    ran = [each for each in found if each.distances]
    assert {each.precision for each in ran} == {"float64", "float32"}
    # whole chunks of three updates
    assert {len(each.curve) for each in ran} == {0, 9}
    assert all(max(each.drift(), default=0.0) < 1e-3 for each in ran)


def test_all_precisions_are_those_that_the_backend_has_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked(monkeypatch, NumpyBackend(), ("all",))
    assert {each.precision for each in found} == {"float64", "float32"}


def test_the_first_quantity_that_is_apart_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked(monkeypatch, Faster())
    assert not agree(found)
    wrong = [each for each in found if each.distances]
    assert wrong
    for each in wrong:
        first = each.first_apart()
        assert first is not None
        assert first.startswith("parameter ")
        assert first.endswith("after 3 updates")
    assert any("first apart is parameter" in text for text in closing(found))


def test_precisions_are_compared_within_a_question_and_several_specs_of_one_name_refused() -> None:
    both = plan({"backend": "numpy", "cell": ["lstm", "gru"], "precision": ["float64", "float32"], "threads": 1})
    assert [(spec.model.cell, spec.precision) for spec in questions(both)] == [("lstm", "float64"), ("gru", "float64")]
    with pytest.raises(UsageError, match=r"these differ in optimizer\.lr$"):
        questions(plan({"backend": "numpy", "lr": [0.1, 0.01], "threads": 1}))


def test_what_is_no_number_does_not_agree() -> None:
    each = Agreement("adding lstm jax", "scan", "float32", 1e-3, {"loss": 0.0, "gradient of W": float("nan")})
    assert each.first_apart() == "gradient of W"
    assert not agree([each])


def test_what_cannot_run_is_no_disagreement_and_no_agreement() -> None:
    missing = Agreement("adding lstm jax", "auto", "", unavailable="jax is not installed")
    fine = Agreement("adding lstm numpy", "steps", "float64", 1e-9, {"loss": 1e-16})
    assert agree([fine, missing])
    assert not agree([missing])
    assert not agree([fine, Agreement("adding lstm jax", "scan", "float32", failed="died")])


def test_the_update_of_the_largest_drift_is_told() -> None:
    each = Agreement(
        "a lstm numpy", "steps", "float32", 1e-3, {"loss": 0.0}, curve=[1.0, 1.002, 1.0], expected_curve=[1.0, 1.0, 1.0]
    )
    assert each.drift_text() == "at most 2.0e-03, at update 2; past 1e-04 at 2; past 1e-03 at 2"
    other = replace(each, name="a lstm torch", curve=[1.0, 1.0, 0.5])
    assert "farthest apart at update 3: 5.0e-01 (torch steps and numpy steps)" in closing([each, other])[0]


def harness(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "harness", "parity", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=240)


def test_the_command_ends_with_0_where_all_agree(tmp_path: Path) -> None:
    few = ["--backend", "numpy", "--hidden", "4", "--threads", "1", "--updates", "2", "--drift", "4", "--json"]
    dropping = ["--layers", "2", "--dropout", "0.3", "--input-dropout", "0.1"]
    done = harness(*few, *dropping, "--precision", "float64", "--variant", "hoisted", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (told,) = map(json.loads, done.stdout.splitlines())
    assert (told["variant"], told["precision"], told["agrees"]) == ("hoisted", "float64", True)


@pytest.mark.parametrize("words", [["--task", "addding"], ["--nonsense"], ["--updates", "0"]])
def test_words_that_cannot_be_right_end_with_2(tmp_path: Path, words: list[str]) -> None:
    assert harness(*words, cwd=tmp_path).returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_parity_that_is_stopped_tells_what_it_has(tmp_path: Path) -> None:
    """SIGTERM, as a session's limit sends it, after the first row of many."""
    words = ["parity", "--backend", "numpy", "--task", "copy", "--cell", "all", "--updates", "3", "--json"]
    command = subprocess.Popen(
        [sys.executable, "-m", "harness", *words], cwd=tmp_path, stdout=subprocess.PIPE, env=dict(os.environ), text=True
    )
    assert command.stdout is not None
    first = command.stdout.readline()
    command.send_signal(signal.SIGTERM)
    rest, _ = command.communicate(timeout=60)
    assert '"agrees": true' in first
    assert '"failed": "stopped by the user"' in rest.splitlines()[-1]
    assert command.returncode == 1
    time.sleep(0.1)
    assert not started_here()
