"""``harness env``: what there is, and what is refused. Building one takes minutes, in test_virtual_environments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.processes import virtual_environments
from tests.conftest import Harness


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which environments are kept, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = virtual_environments.folder()
    assert folder.is_relative_to(tmp_path)
    return folder


def test_without_environments_it_says_what_builds_one(harness: Harness, cache: Path) -> None:
    done = harness("env", "list")
    assert done.returncode == 0
    assert done.stdout == f"none in {cache}; harness reproduce RECORD builds one\n"


def test_an_environment_is_listed_and_deleted_by_its_name(harness: Harness, cache: Path) -> None:
    place = cache / "torch-0123456789abcdef"
    place.mkdir(parents=True)
    done_file = place / virtual_environments._DONE
    done_file.write_text(json.dumps({"extra": "torch", "python": "3.11", "pins": {"torch": "2.13.0"}}))
    assert harness("env", "list").stdout == "torch-0123456789abcdef  torch 2.13.0  0.00 GiB\n"
    assert harness("env", "remove", place.name).returncode == 0
    assert not place.exists()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("remove", "torch-none"), 2, "no environment 'torch-none'"),
        (("add", "abacus"), 1, "no extra that brings 'abacus'"),
        (("add", "torch@one"), 2, "'one' is no version; as in torch@2.13.0"),
    ],
)
def test_what_cannot_be_is_one_line(
    harness: Harness, cache: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    done = harness("env", *words)
    assert done.returncode == status
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
