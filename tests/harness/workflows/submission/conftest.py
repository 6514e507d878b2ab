"""Real records, as somebody might hand them in, and a repository that knows the code that made them."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from harness.cli.submission import specs_of
from harness.machine.history import History
from harness.records.seal import digest
from harness.workflows.submission.checks import check
from harness.workflows.submission.findings import Finding
from harness.workflows.submission.given import submission_in
from tests.conftest import ROOT

Document = dict[str, Any]
MACHINE = "amd-epyc-2-cpus"
STUDY = """
name = "mine"
[fixed]
task = "adding"
preset = "smoke"
steps = 1500
evaluate-every = 300
[axes]
backend = ["numpy", "torch"]
cell = ["lstm", "gru"]
seed = [0, 1]
[[exclude]]
backend = "torch"
seed = 1
[[exclude]]
backend = "numpy"
cell = "gru"
[[exclude]]
backend = "torch"
cell = "gru"
"""


def git(folder: Path, *words: str) -> str:
    env = {**os.environ, "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with three floors and a study, of one commit."""
    root = tmp_path_factory.mktemp("clone")
    for floor in ("harness", "backends", "tasks"):
        (root / floor).mkdir()
        (root / floor / "code.py").write_text(f"# {floor}\n")
    (root / "results" / "studies").mkdir(parents=True)
    (root / "results" / "studies" / "mine.toml").write_text(STUDY)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "code")
    return root


@pytest.fixture(scope="module")
def history(clone: Path) -> History:
    return History.of(clone)


@pytest.fixture(scope="module")
def three(history: History) -> list[Document]:
    """The runs of ``STUDY``, as two seeds of one backend and one of another left them, made by the clone's code."""
    found = []
    with zipfile.ZipFile(ROOT / "results" / "studies" / "seeds.records.zip") as pack:
        for name in sorted(pack.namelist()):
            document = json.loads(pack.read(name))
            key = (document["spec"]["backend"], document["spec"]["model"]["cell"], document["spec"]["seed"])
            if key in (("numpy", "lstm", 0), ("numpy", "lstm", 1), ("torch", "lstm", 0)):
                document["environment"] |= {"git_commit": history.base, "sources": history.digests(history.base)}
                document["study"] = {"name": "mine", "sha256": sha256(STUDY.encode()).hexdigest()}
                found.append(document)
    assert len(found) == 3
    return sorted(found, key=lambda each: (each["spec"]["backend"], each["spec"]["seed"]))


@pytest.fixture
def documents(three: list[Document]) -> list[Document]:
    """Copies, to be changed."""
    return copy.deepcopy(three)


def written(folder: Path, documents: list[Document]) -> Path:
    """The documents in a folder, sealed as they are: whoever forges a record seals it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for document in documents:
        document["digest"] = digest(document)
        (folder / f"{document['id']}.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def found(history: History, clone: Path) -> Callable[[Path], dict[str, list[Finding]]]:
    """What each check finds in a folder, by its name."""

    def checked(folder: Path) -> dict[str, list[Finding]]:
        studies = sorted((clone / "results" / "studies").glob("*.toml"))
        return {each.check.name: each.findings for each in check(submission_in(folder, specs_of, history, studies))}

    return checked
