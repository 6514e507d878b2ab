"""Which software runs: versions, packages, and the digest of this project's own sources."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import tasks
from harness.machine import software
from tasks.registry import Registry


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


def test_a_third_partys_source_is_its_package_or_module_and_what_its_distribution_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("lone_module.py", "a_package/__init__.py", "a_package/inner/parts.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("class Thing: ...\n")
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[things]\nlone = lone_module:Thing\npart = a_package.inner.parts:Thing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    things = Registry("things", "thing")

    def both() -> list[str | None]:
        return [software.plugin_source(things, name) for name in ("lone", "part")]

    first = both()
    (tmp_path / "a_package" / "__init__.py").write_text("# changed\n")
    assert [a == b for a, b in zip(first, both(), strict=True)] == [True, False]
    (about / "RECORD").write_text("helper.py,,\nmissing.py,,\n")
    (tmp_path / "helper.py").write_text("x = 1\n")
    second = both()
    (tmp_path / "helper.py").write_text("x = 2\n")
    assert [a == b for a, b in zip(second, both(), strict=True)] == [False, False]
    assert software.plugin_source(tasks.registry, "adding") is None
    for name in ("lone_module", "a_package", "a_package.inner", "a_package.inner.parts"):
        sys.modules.pop(name, None)


def test_a_checkout_has_a_commit_and_anything_else_has_none() -> None:
    commit, dirty = software.source_state()
    assert (commit is None) == (dirty is None)
    if (software.SOURCE / ".git").exists():
        assert commit is not None
        assert len(commit) == 40
