"""Environments of exact versions: what a record may ask for, and what is left when one cannot be built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.planning.runs import by_version
from harness.processes.virtual_environments import NotBuilt, Recipe, python, recipe, recipe_for
from harness.records.run import Record
from harness.records.store import Store

RecordFactory = Callable[..., Record]


def test_equal_versions_are_one_environment(make_record: RecordFactory) -> None:
    a, b = recipe(make_record(seed=1)), recipe(make_record(seed=2))
    assert a == b
    assert a.name == b.name
    other = {"versions": {"harness": "0.1.0", "numpy": "2.3.0", "torch": "2.12.0"}}
    assert recipe(make_record(environment=other)).name != a.name
    assert recipe(make_record(start="0" * 64)).name != a.name, "it needs the library that reads saved parameters"


def test_local_versions_and_our_own_are_not_asked_of_an_index(make_record: RecordFactory) -> None:
    for ours in ("harness", "rnn-harness"):  # what this project was called, and is
        pins = recipe(make_record(environment={"packages": {ours: "0.1.0", "torch": "2.13.0+cpu", "pip": "1"}})).pins
        assert pins == {"torch": "2.13.0"}


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("numpy", "2.0; os_name"),
        ("numpy", "2.0 --index-url=http://127.0.0.1"),
        ("numpy @ file:///etc", "1"),
        ("-r/etc/passwd", "1"),
        ("../numpy", "1"),
        ("numpy", "$(id)"),
        ("numpy", "1\n--pre"),
    ],
)
def test_what_is_no_name_or_version_never_reaches_pip(make_record: RecordFactory, name: str, version: str) -> None:
    with pytest.raises(NotBuilt, match="the record names"):
        recipe(make_record(environment={"packages": {name: version}}))


@pytest.mark.parametrize("word", ["results/x/python", "--help", "/bin/sh", "3.11\n--x", "3", "3.11;x", ""])
def test_only_a_version_of_python_reaches_uv(
    make_record: RecordFactory, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make_record()
    hostile = record.model_copy(update={"environment": record.environment.model_copy(update={"python": word})})
    with pytest.raises(NotBuilt, match="the record names Python"):
        recipe(hostile)
    monkeypatch.setattr(subprocess, "run", pytest.fail)
    with pytest.raises(NotBuilt, match="no version of Python"):
        python(Recipe("numpy", word, {}), print)


@pytest.mark.parametrize("word", ["3.11.9", "3.11", "3.13.0rc1", "3.12.1+"])
def test_versions_of_python_give_their_first_two_numbers(make_record: RecordFactory, word: str) -> None:
    assert recipe(make_record(environment={"python": word})).python == ".".join(word.split(".")[:2])


def test_a_backend_is_asked_for_by_version() -> None:
    asked = by_version(["torch@2.12.0", "jax", "torch@2.13.0", "torch@2.12.0"])
    assert asked == {"torch": ["2.12.0", "2.13.0"], "jax": [None]}
    assert recipe_for("torch", "2.12.0").pins["torch"] == "2.12.0"
    for backend, version in (("torch", "2;x"), ("torch", ""), ("os", None)):
        with pytest.raises(NotBuilt):
            recipe_for(backend, version)


def test_without_the_versions_or_a_network_nothing_half_built_is_left(
    tmp_path: Path, make_record: RecordFactory
) -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    gone = {"python": here, "packages": {"numpy": "2.0.0.dev1"}}
    path = Store(tmp_path).write(make_record(backend="numpy", variant="textbook", environment=gone))
    # nobody listens on port 9
    network = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0",
               "UV_INDEX_URL": "http://127.0.0.1:9/simple", "UV_NO_CONFIG": "1"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-m", "harness", "reproduce", str(path), "--current-code", "--json"],
        capture_output=True, text=True, timeout=240, cwd=tmp_path,
        env={**os.environ, **network, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 1
    judgement = json.loads(done.stdout)
    assert judgement["verdict"] == "cannot run"
    assert "cannot build the environment" in judgement["why"]
    kept = tmp_path / "cache" / "harness" / "environments"
    assert [each.name for each in kept.iterdir() if each.suffix != ".lock"] == []
