"""The command as a whole: its help, how fast it starts, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import COMMANDS, WITH_WORKERS, app
from harness.specs.options import RUN, SPEED, TUNE
from tests.conftest import Harness, python_path


@pytest.mark.parametrize(
    ("words", "typers_own"), [(["--help"], []), (["run", "--help"], ["pydantic"]), (["speed", "--help"], ["pydantic"])]
)
def test_help_imports_nothing_heavy(words: list[str], typers_own: list[str]) -> None:
    """No framework, no NumPy, no pandas, nor pydantic or matplotlib: it must start at once.

    Some versions of typer import pydantic themselves once a command is called.
    """
    code = (
        "import sys\nfrom harness.cli import app\n"
        f"try: app({words})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'tensorflow', 'jax', 'keras', 'numpy', 'pandas', 'matplotlib', 'pydantic', 'sklearn'}\n"
        f"print('heavy:', sorted(heavy & set(sys.modules) - {{*{typers_own}}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("heavy: []")
    assert " --help " in done.stdout


def test_help_makes_no_parameters_of_other_commands() -> None:
    """They take longer than the rest of ``--help``: a command is made when it is called."""
    code = (
        "from harness.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "from harness.cli.run import run\nprint('signed:', hasattr(run, '__signature__'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("signed: False")


def test_help_names_every_command_with_what_it_does(harness: Harness) -> None:
    done = harness("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        (line,) = (line for line in done.stdout.splitlines() if re.match(rf"│ {name} ", line))
        assert len(line.split()) > 4


@pytest.mark.parametrize("command", WITH_WORKERS)
def test_on_windows_what_starts_workers_names_wsl_in_one_line(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    done = CliRunner().invoke(app, [command, "--dry-run"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line == f"harness: {command} needs Linux or macOS; on Windows, install and use it in WSL (wsl --install)"


def test_what_only_reads_records_runs_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(WITH_WORKERS) < set(COMMANDS)
    monkeypatch.setattr(sys, "platform", "win32")
    assert CliRunner().invoke(app, ["show", "--help"]).exit_code == 0


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be named")
def test_two_sides_cannot_name_other_cpus(harness: Harness) -> None:
    cpu = min(os.sched_getaffinity(0))
    done = harness("compare", "--a", f"--backend numpy --cpus {cpu} --threads 1", "--b", "--backend numpy --threads 1")
    assert done.returncode == 2
    assert done.stderr == (
        "harness: --cpus: both sides take turns on the same CPUs; name them once, outside --a and --b\n"
    )


@pytest.mark.parametrize("command", ["run", "speed", "parity"])
def test_a_list_of_cpus_that_is_none_is_told_in_one_line(harness: Harness, command: str) -> None:
    done = harness(command, "--backend", "numpy", "--cpus", "some")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "harness: --cpus takes numbers of CPUs, such as 4-7 or 0,2, not 'some'\n"


@pytest.mark.parametrize(("command", "options"), [("run", RUN), ("speed", SPEED), ("tune", TUNE)])
def test_help_has_every_option_with_its_text(harness: Harness, command: str, options: tuple[Any, ...]) -> None:
    shown = " ".join(harness(command, "--help").stdout.replace("│", " ").split())
    for option in options:
        assert f" --{option.name} " in shown
        assert option.about in shown
        assert not option.otherwise or f"[default: ({option.otherwise})]" in shown
        assert not option.short or f" {option.short} " in shown
        assert not option.negatable or f" --no-{option.name} " in shown


def test_an_unknown_command_is_refused_and_its_neighbour_named(harness: Harness) -> None:
    done = harness("lst")
    assert done.returncode == 2
    assert "list" in done.stderr


def test_shell_completion_is_there(harness: Harness) -> None:
    done = harness("--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert "_HARNESS_COMPLETE" in done.stdout


def test_the_options_of_a_command_are_completed(harness: Harness) -> None:
    """``harness run --opt<TAB>``: the command is made for that."""
    env = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": "harness run --opt", "COMP_CWORD": "2"}
    code = "from harness.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env})
    assert done.stdout.split() == ["--optimizer"]


@pytest.mark.parametrize("seconds", ["inf", "1e300"])
def test_a_run_may_take_for_ever(harness: Harness, seconds: str) -> None:
    done = harness("run", "--backend", "numpy", "--threads", "1", "--steps", "4", "--timeout", seconds)
    assert done.returncode == 0, done.stderr


def test_a_users_files_named_as_our_packages_are_not_taken_for_them(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("raise RuntimeError('somebody else's')\n")
    (tmp_path / "backends").mkdir()
    (tmp_path / "backends" / "__init__.py").write_text("raise RuntimeError('somebody else's')\n")
    first = {"PYTHONPATH": os.pathsep.join([str(tmp_path), python_path()])}
    words = ["run", "--backend", "numpy", "--threads", "1", "--steps", "4", "--json"]
    done = harness(*words, env=first)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_that_is_imported_already_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import tasks, harness"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), python_path()])},
    )  # fmt: skip
    said = f"ImportError: {tmp_path / 'tasks.py'} stands in the way: harness has a package 'tasks' of its own"
    assert done.stderr.splitlines()[-1] == said
