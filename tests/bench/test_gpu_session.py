"""The session of all that needs a GPU, as far as it goes without one. Real commands; only the clock is made up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from tests.conftest import ROOT
from tests.gpu.session import Step, main, missing, run, steps, take

SESSION = ROOT / "tests" / "gpu" / "session.py"


def ticking(by: float) -> Callable[[], float]:
    """A clock that goes on by so many seconds each time it is looked at."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += by
        return now

    return clock


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_steps_are_taken_while_there_is_time_and_the_rest_is_named() -> None:
    codes = {"good": "0", "bad": "raise SystemExit(3)", "late": "0"}
    chosen = [Step(name, python(code), 60) for name, code in codes.items()]
    endings = list(take(chosen, 4.5, ticking(1.0), os.environ))
    assert [(ending.step.name, ending.how) for ending in endings] == [
        ("good", "ok"), ("bad", "failed"), ("late", "not reached"),
    ]  # fmt: skip


def test_a_step_that_outlasts_its_share_is_stopped_politely(tmp_path: Path) -> None:
    """SIGTERM first: ``harness`` then writes the record of the run under way."""
    said = tmp_path / "said"
    code = (
        "import pathlib, signal, sys, time\n"
        f"def stop(*_): pathlib.Path({str(said)!r}).write_text('stopped'); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, stop)\ntime.sleep(60)"
    )
    assert run(python(code), 2.0, os.environ) == "stopped"
    assert said.read_text() == "stopped"


@pytest.mark.parametrize("processes", ["0", "2"])
def test_tests_that_are_stopped_tell_which_have_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], processes: str
) -> None:
    """pytest sums up when it is interrupted; terminated, it says nothing of a hundred failures."""
    (step,) = (step for step in steps(tmp_path) if step.name == "tests")
    (tmp_path / "test_some.py").write_text(
        "import time\ndef test_wrong(): assert 1 == 2\ndef test_long(): time.sleep(120)\ndef test_right(): pass\n"
    )
    words = [str(tmp_path) if word == "tests/gpu" else word for word in step.words]
    words[words.index("-n") + 1] = processes
    assert run(words, 8.0, os.environ, step.stop) == "stopped"
    assert "E   assert 1 == 2" in capfd.readouterr().out


def test_every_step_is_a_command_that_the_harness_knows(tmp_path: Path) -> None:
    """The options of each are parsed by the command itself, and its names looked up; nothing runs."""
    for step in steps(tmp_path):
        if step.words[3:5] == ("harness", "run"):
            done = CliRunner().invoke(app, [*step.words[4:], "--dry-run"])
            assert done.exit_code == 0, done.output


def test_what_is_asked_for_is_listed_and_a_slip_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--only", "speed", "parity"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("speed", "parity")) for line in lines)
    assert any("harness speed --device cuda" in line for line in lines)
    assert main(["--only", "nonsense"]) == 2
    assert "no step begins with nonsense" in capsys.readouterr().err
    assert missing() == []


def test_it_starts_without_an_installation_and_says_what_is_missing(tmp_path: Path) -> None:
    """``-S`` hides everything that is installed: a Python that has nothing."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SESSION)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("missing: numpy, ")


def test_where_every_test_is_skipped_the_step_has_not_passed() -> None:
    """Here, or on a GPU machine with all GPUs hidden: nothing sees a device."""
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "tests/gpu",
        "-p",
        "no:cacheprovider",
        "-n",
        "0",
        "-k",
        "Numpy and refused",
    ]
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout
    assert " skipped" in done.stdout
