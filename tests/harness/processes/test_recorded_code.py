"""A record's own code: only from its commit, only with its digests, and nothing runs while it is fetched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.machine import software
from harness.processes.recorded_code import NotHad, fetch, why_not, words_again
from harness.records.run import Record
from harness.specs.commandline import command_line
from tests.harness.conftest import made_record

NOBODY = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]


def git(place: Path, *words: str) -> str:
    done = subprocess.run(["git", *NOBODY, *words], cwd=place, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits of three floors; a submodule that is nowhere, a filter that no configuration knows."""
    place = tmp_path_factory.mktemp("repository")
    git(place, "init", "-q")
    for text in ("one", "two"):
        for floor in software.FLOORS:
            (place / floor).mkdir(exist_ok=True)
            (place / floor / "code.py").write_text(f"# {text}\n")
        (place / ".gitattributes").write_text("*.py filter=evil\n")
        (place / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = ext::touch ran\n')
        git(place, "add", ".")
        git(place, "update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},x")
        git(place, "commit", "-q", "-m", text)
    return place


def of(repository: Path, revision: str, **environment: object) -> Record:
    """A record of that commit, whose code was the first one's."""
    first = repository.parent / "first"
    if not first.exists():
        git(repository, "worktree", "add", "-q", "--detach", str(first), "HEAD~1")
    where = {"git_commit": git(repository, "rev-parse", revision), "sources": software.sources_of(first)}
    record = made_record(environment=where | environment)
    return record.model_copy(update={"command": command_line(record.spec, "2.11.0")})


def test_the_code_of_the_commit_is_fetched_and_nothing_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, hooks = of(repository, "HEAD~1"), tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    config = f'[core]\n\thooksPath = {hooks}\n[filter "evil"]\n\tsmudge = touch {tmp_path}/ran; cat\n'
    (tmp_path / ".gitconfig").write_text(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    fetch(record, str(repository), tmp_path / "code")
    assert (tmp_path / "code" / "tasks" / "code.py").read_text() == "# one\n"
    assert not (tmp_path / "ran").exists()


def test_other_code_than_the_records_is_refused_with_both_digests(repository: Path, tmp_path: Path) -> None:
    record = of(repository, "HEAD")
    with pytest.raises(NotHad, match="is not the code that made the record") as refusal:
        fetch(record, str(repository), tmp_path / "code")
    assert record.environment.sources["tasks"] in str(refusal.value)
    assert software.sources_of(repository)["tasks"] in str(refusal.value)


@pytest.mark.parametrize(
    ("commit", "source", "says"),
    [
        ("d" * 40, None, "has no commit dddddddddddddddddddddddddddddddddddddddd; --source names one that has"),
        (None, "/nowhere/at/all", "cannot clone /nowhere/at/all (git: fatal: "),
        (None, "ext::touch ran", "cannot clone ext::touch ran (git: fatal: transport 'ext' not allowed"),
        (None, "--upload-pack=touch ran", "--source takes the URL or the path of a repository"),
    ],
)
def test_what_is_not_there_is_said(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commit: str | None, source: str | None, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    record = of(repository, "HEAD", **({"git_commit": commit} if commit else {}))
    with pytest.raises(NotHad) as refusal:
        fetch(record, source or str(repository), tmp_path / "code")
    assert says in str(refusal.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("commit", ["HEAD", "main", "-h", "c" * 39, "C" * 40, "c" * 40 + "\n"])
def test_only_a_whole_commit_is_a_commit(repository: Path, commit: str) -> None:
    assert "which is none of 40 hexadecimal digits" in (why_not(of(repository, "HEAD", git_commit=commit)) or "")


def test_what_a_record_does_not_say_is_said(repository: Path) -> None:
    record = of(repository, "HEAD")
    assert why_not(record) is None
    assert "which commit made it" in (why_not(of(repository, "HEAD", sources={})) or "")
    assert "has no command" in (why_not(record.model_copy(update={"command": None})) or "")


def test_the_variant_that_ran_is_run_again_under_the_version_of_the_environment(repository: Path) -> None:
    record = of(repository, "HEAD")
    assert record.command
    assert "--backend torch@2.11.0" in record.command
    assert "--variant auto" in record.command
    words = words_again(record)
    assert (words[0], words[words.index("--backend") + 1], words[words.index("--variant") + 1]) == (
        "run",
        "torch",
        "nn",
    )
