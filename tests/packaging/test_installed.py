"""The installed wheel: its metadata, its command, and one run from start to report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import distribution, entry_points
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Command = Callable[..., CompletedProcess[str]]
OURS = distribution("rnn-harness")


@pytest.mark.parametrize("package", ["harness", "backends", "tasks"])
def test_a_package_is_that_of_the_wheel(package: str) -> None:
    found = Path(str(import_module(package).__file__)).resolve()
    assert "site-packages" in found.parts
    assert found.is_relative_to(Path(sys.prefix).resolve())
    assert found.parent == Path(str(OURS.locate_file(package))).resolve()


def test_the_metadata_say_what_it_is() -> None:
    assert OURS.metadata["Name"] == "rnn-harness"
    assert OURS.metadata["License-Expression"] == "Apache-2.0"
    assert OURS.metadata.get_all("License-File") == ["LICENSE"]
    extras = set(OURS.metadata.get_all("Provides-Extra") or ())
    assert {"numpy", "numba", "torch", "tensorflow", "jax", "cupy", "cuda", "parquet", "all"} <= extras
    assert not [line for line in OURS.requires or () if line.startswith("harness")], "that is somebody else's"


def test_no_framework_was_installed_with_it() -> None:
    base = [line for line in OURS.requires or () if "extra ==" not in line]
    assert not [line for line in base if line.startswith(("torch", "tensorflow", "jax", "numba"))]


def test_tasks_and_backends_are_found_by_their_entry_points() -> None:
    import backends
    import tasks

    ours = {name: {e.name for e in entry_points(group=f"harness.{name}")} for name in ("tasks", "backends")}
    expected = {"adding", "copy", "sine", "sequential-mnist", "sequential-mnist-14", "sequential-digits"}
    assert ours["tasks"] == expected
    assert ours["backends"] == {"numpy", "torch", "tensorflow", "jax"}
    assert ours["tasks"] == set(tasks.registry.registered())
    assert ours["backends"] == set(backends.registry.registered())


def test_the_command_is_there(command: Command) -> None:
    done = command("--help")
    assert done.returncode == 0, done.stderr
    for name in ("run", "speed", "compare", "report", "verify"):
        assert name in done.stdout


def test_a_run_leaves_a_record_that_show_and_report_read(command: Command, tmp_path: Path) -> None:
    done = command("run", "--backend", "numpy", "--task", "adding", "--preset", "smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "results" / "local").glob("*.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["status"] == "ok"
    assert record["environment"]["versions"]["harness"] == OURS.version
    shown = command("show", str(path))
    assert shown.returncode == 0, shown.stderr
    assert "adding" in shown.stdout
    reported = command("report", "results/local", "--out", "page")
    assert reported.returncode == 0, reported.stderr
    assert {"report.md", "report.html"} <= {each.name for each in (tmp_path / "page").iterdir()}
