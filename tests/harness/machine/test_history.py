"""The project's source as its history has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.machine import software
from harness.machine.history import History, NoHistory, blob_of
from tests.conftest import ROOT


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_a_commits_digests_are_those_that_its_checkout_has(tmp_path: Path) -> None:
    for floor in software.FLOORS:
        (tmp_path / floor / "inner").mkdir(parents=True)
        for name in ("a.py", "inner/b.py", "inner.py", "ä.py", "c.txt"):
            (tmp_path / floor / name).write_text(f"{floor} {name}\r\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    first = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "tasks" / "a.py").write_text("changed")
    git(tmp_path, "commit", "-qam", "two")
    git(tmp_path, "checkout", "-qb", "branch")
    (tmp_path / "tasks" / "a.py").write_text("of a branch")
    git(tmp_path, "commit", "-qam", "three")
    history = History.of(tmp_path, "main")
    here = {floor: software._source_digest(tmp_path / floor) for floor in software.FLOORS}
    branch = git(tmp_path, "rev-parse", "HEAD")
    assert history.digests(branch) == here
    assert history.holder(here) is None, "only somebody's branch has it"
    assert not history.has(branch)
    assert history.has(first)
    assert history.holder(history.digests(first)) == first
    assert history.digests(first)["backends"] == here["backends"]
    assert {content for _, content in history.versions("tasks", "a.py")} >= {b"changed", b"tasks a.py\r\n"}
    assert history.files("tasks")["a.py"] == blob_of(b"changed")
    assert history.files("nowhere") == {}


@pytest.mark.parametrize(("folder", "base"), [(".", "HEAD"), ("nowhere", "HEAD"), (str(ROOT), "--output=x")])
def test_what_is_no_history_is_said(tmp_path: Path, folder: str, base: str) -> None:
    with pytest.raises(NoHistory, match="no git repository with a commit"):
        History.of(tmp_path / folder, base)
