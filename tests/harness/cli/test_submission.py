"""``harness submit`` and ``harness check-submission`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, Harness

RECORDS = sorted((ROOT / "results" / "published").rglob("*-sine-*.json"))
MACHINE = "amd-epyc-2-cpus"
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is known of the code is in a clone")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Two published records, in a folder of their own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in RECORDS[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_records_are_filed_once_and_what_is_filed_passes(harness: Harness, tmp_path: Path, records: Path) -> None:
    target = tmp_path / "results" / "published" / MACHINE
    done = harness("submit", "mine", "--dry-run")
    assert (done.returncode, done.stdout) == (0, f"results/published/{MACHINE}: would file 2 files\n"), done.stderr
    assert not target.exists()
    done = harness("submit", "mine")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        path.name: path.read_bytes() for path in records.iterdir()
    }
    done = harness("submit", "mine")
    assert done.stdout.startswith(f"results/published/{MACHINE}: filed 0 files, 2 there already")
    done = harness("check-submission", str(target), "--summary", "summary.md")
    assert done.returncode == 0, done.stdout
    assert f"## {MACHINE}: nothing stands against it\n\n2 runs\n" in done.stdout
    assert (tmp_path / "summary.md").read_text() == done.stdout


def test_what_stands_against_it_is_said_and_nothing_is_written(harness: Harness, tmp_path: Path, records: Path) -> None:
    first, second = sorted(records.iterdir())
    document = json.loads(first.read_text())
    first.write_text(json.dumps({**document, "status": "failed"}))
    done = harness("submit", "mine")
    assert done.returncode == 1
    assert f"harness: seal, refused: {first.name}: altered since it was written" in done.stderr
    assert "nothing was filed" in done.stderr
    assert not (tmp_path / "results" / "published").exists()
    target = tmp_path / "results" / "published" / MACHINE
    target.mkdir(parents=True)
    (target / first.name).write_bytes(first.read_bytes())
    (target / second.name).write_text("{}")
    done = harness("submit", str(records))
    assert done.returncode == 2
    assert "nothing is written over" in done.stderr
    assert harness("check-submission", str(target)).returncode == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["submit", "nowhere"], "nowhere: No such file"),
        (["submit", "empty"], "no records in empty; name a folder of records, or their files"),
        (["check-submission", "nowhere"], "nowhere is no folder; check-submission takes a machine's"),
        (["check-submission", "."], ". holds folders: name a machine's (empty)"),
        (["check-submission", "empty", "--repository", "empty"], "--repository empty: no git repository"),
        (["check-submission", "empty", "--base", "--upload-pack=x"], "no clone of the project with such a commit"),
    ],
)
def test_a_mistake_is_one_line(harness: Harness, tmp_path: Path, words: list[str], says: str) -> None:
    (tmp_path / "empty").mkdir()
    done = harness(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert says in done.stderr
