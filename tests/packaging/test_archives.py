"""What the wheel and the sdist hold."""

from __future__ import annotations

import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest


@pytest.fixture(scope="module")
def wheel(built: Path) -> set[str]:
    """Every file of the wheel."""
    (path,) = built.glob("rnn_harness-*.whl")
    with ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_is_pure_python(built: Path) -> None:
    (path,) = built.glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")


def test_the_wheel_holds_the_three_packages_and_its_own_metadata_only(wheel: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {"harness", "backends", "tasks", info}
    assert f"{info}/licenses/LICENSE" in wheel
    assert {f"{package}/py.typed" for package in ("harness", "backends", "tasks")} <= wheel


@pytest.mark.parametrize("kind", ["templates", "schema"])
def test_the_wheel_holds_templates_and_schemas(wheel: set[str], kind: str) -> None:
    assert [name for name in wheel if f"/{kind}/" in name and not name.endswith(".py")]


def test_the_sdist_has_all_that_a_build_needs_and_no_results(built: Path) -> None:
    """That it builds is seen already: ``python -m build`` makes the wheel from it."""
    (path,) = built.glob("rnn_harness-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "harness/py.typed"} <= names
    assert not [name for name in names if name.startswith(("results/", ".venv/", ".nox/"))]
