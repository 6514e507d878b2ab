"""``harness export`` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Harness
from tests.fixtures.saved import MODELS, saved


def test_it_prints_python_that_loads_what_it_wrote(harness: Harness, tmp_path: Path) -> None:
    saved(tmp_path, MODELS["gru-two-last"])
    (record,) = tmp_path.glob("*.json")
    for framework, ending in (("torch", "safetensors"), ("keras", "npz"), ("jax", "npz")):
        done = harness("export", record.name, "--to", framework)
        assert (done.returncode, done.stderr) == (0, "")
        written = f"{record.stem}.{framework}.{ending}"
        assert done.stdout.startswith(f"# {written}\n")
        assert repr(written) in done.stdout
        compile(done.stdout, "printed", "exec")
        assert (tmp_path / written).stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--to", "kears"], "unknown framework or tracker 'kears'; did you mean 'keras'?"),
        (["--to", "torch"], "torch has no layer for gru-reset-before"),
        (["--to", "jax", "--out", "nowhere/file.npz"], "cannot write nowhere/file.npz: No such file or directory"),
        (["--to", "jax", "--out", "."], "cannot write ."),
        (["--to", "jax", "--out", "x.onnx"], "--out x.onnx: what jax loads is a .npz file"),
        (["--to", "jax", "--out", "n" * 300], "File name too long"),
        ([], "--to"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(
    harness: Harness, tmp_path: Path, words: list[str], says: str
) -> None:
    file = saved(tmp_path, MODELS["gru-reset-before-one-last"])
    before = sorted(tmp_path.iterdir())
    done = harness("export", file.name, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert says in done.stderr
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [(".", "not a regular file"), ("/", "not a regular file"), ("n" * 300, "File name too long"), ("", "not a regular"),
     ("two\nlines.json", "No such file")],
)  # fmt: skip
def test_odd_names_are_one_line(harness: Harness, name: str, says: str) -> None:
    for words in (("export", name, "--to", "jax"), ("run", "--backend", "numpy", "--threads", "1", "--from", name)):
        done = harness(*words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert says in done.stderr


def test_exporting_imports_no_framework(tmp_path: Path) -> None:
    file = saved(tmp_path, MODELS["lstm-one-last"])
    program = f"""
import sys
from pathlib import Path
from harness.workflows.export import export
for framework in ("torch", "keras", "jax"):
    export([Path({str(file)!r})], framework)
print(*{{name.split(".")[0] for name in sys.modules}} & {{"torch", "tensorflow", "keras", "jax"}})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "\n"
