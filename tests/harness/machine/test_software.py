"""Which software runs: versions, packages, and the digest of this project's own sources."""

from __future__ import annotations

from pathlib import Path

from harness.machine import software


def test_versions_are_those_of_the_installed_packages() -> None:
    versions, packages = software.library_versions(), software.packages()
    assert versions["numpy"] == packages["numpy"]
    assert set(software.LIBRARIES) <= set(versions)
    assert list(packages) == sorted(packages)


def test_every_floor_has_a_digest_that_each_file_and_name_decides(tmp_path: Path) -> None:
    assert set(software.sources()) == {"tasks", "backends", "harness"}
    (tmp_path / "a.py").write_text("x = 1\n")
    first = software._source_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("not code")
    assert software._source_digest(tmp_path) == first
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    renamed = software._source_digest(tmp_path)
    (tmp_path / "b.py").write_text("x = 2\n")
    assert len({first, renamed, software._source_digest(tmp_path)}) == 3


def test_a_checkout_has_a_commit_and_anything_else_has_none() -> None:
    commit, dirty = software.source_state()
    assert (commit is None) == (dirty is None)
    if (software.SOURCE / ".git").exists():
        assert commit is not None
        assert len(commit) == 40
