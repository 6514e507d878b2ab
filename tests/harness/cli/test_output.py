"""Nothing that a command prints can control a terminal, fail for an encoding or end in a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.output import Writer, guarded
from harness.presentation.screen import Screen
from harness.records.store import Store
from tests.harness.conftest import RecordFactory

RUNNER = CliRunner()
ESCAPE = "\x1b[31m\x1b]0;owned\x07\x9b2J"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text(), st.sampled_from(["ascii", "cp1252", "utf-8"]))
def test_whatever_is_written_fits_the_encoding_and_controls_nothing(text: str, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    Writer(stream).write(text)
    stream.flush()
    written = raw.getvalue().decode(encoding)
    assert all(c.isprintable() or c in "\n\t" for c in written)
    assert written.count("\n") == text.count("\n")


def test_a_console_keeps_its_own_styles_and_none_of_the_texts() -> None:
    stream = Terminal()
    styled: Any = Writer(stream).rich_proxied_file
    Screen(file=styled, force_terminal=True, width=80).print(Text(f"a{ESCAPE}b", style="bold"))
    assert stream.getvalue().startswith("\x1b[1ma")
    assert stream.getvalue().count("\x1b") == 2
    plain = Terminal()
    Writer(plain).write(ESCAPE)
    assert "\x1b" not in plain.getvalue()


FIELDS: list[dict[str, Any]] = [
    {"environment": {field: f"x{ESCAPE}"}} for field in ("cpu", "device_name", "git_commit", "container", "libc", "os")
] + [
    {"environment": {"strays": {f"A{ESCAPE}": ESCAPE}}}, {"environment": {"versions": {f"v{ESCAPE}": ESCAPE}}},
    {"metrics": {"steps_to": {f"mse{ESCAPE}": 3}}},
    {"metrics": {"score": {f"s{ESCAPE}": 0.5}, "main_score": f"s{ESCAPE}"}},
    {"environment": {"packages": {f"q{ESCAPE}": ESCAPE}}}, {"parameters": {f"p{ESCAPE}": ESCAPE}},
]  # fmt: skip


@pytest.mark.parametrize("changes", FIELDS, ids=str)
def test_no_escape_of_a_record_reaches_the_terminal(
    changes: dict[str, Any], make_record: RecordFactory, tmp_path: Path
) -> None:
    path = tmp_path / f"r{ESCAPE.replace('/', '')}.json"
    record = make_record(**{name: value for name, value in changes.items() if name != "parameters"})
    if "parameters" in changes:
        record = record.model_copy(update={"spec": record.spec.model_copy(update=changes)})
    path.write_text(record.model_dump_json())
    for words in (
        ["show", path],
        ["table", path],
        ["compare", path, path],
        ["table", path, "--columns", "cpu,parameters"],
    ):
        done = RUNNER.invoke(app, list(map(str, words)))
        assert not set(done.output) & set("\x1b\x9b\x07"), words
        assert done.exit_code in (0, 1, 2)


def test_an_unknown_key_and_a_strange_file_name_are_named_without_their_escapes(tmp_path: Path) -> None:
    path = tmp_path / f"r{ESCAPE}.json"
    path.write_text(json.dumps({f"key{ESCAPE}": 1, "schema_version": 1}))
    done = RUNNER.invoke(app, ["table", str(path)])
    assert "skipped" in done.output
    assert not set(done.output) & set("\x1b\x9b\x07")


@pytest.mark.parametrize("command", ["table", "show", "report", "plot", "verify", "compare"])
def test_no_name_of_a_file_or_a_field_makes_a_line(command: str, tmp_path: Path) -> None:
    path = tmp_path / "r\nharness: all is well\n.json"
    path.write_text(json.dumps({"key\nharness: all is well": 1, "schema_version": 1}))
    done = RUNNER.invoke(app, [command, str(path), *([str(path)] if command == "compare" else [])])
    assert done.exit_code in (1, 2)
    assert "r harness: all is well .json" in done.output
    assert not [line for line in done.output.splitlines() if line.startswith("harness: all")]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_spelled(encoding: str, make_record: RecordFactory, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(make_record(record={"deterministic": True}, environment={"cpu": "2 × 3 – … √"}).model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "harness", "show", str(path)], capture_output=True, timeout=60,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    if encoding == "ascii":
        assert b"2 x 3 - ... sqrt" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_no_machine_of_a_record_makes_a_line_of_a_comparison(make_record: RecordFactory, tmp_path: Path) -> None:
    here = make_record()
    there = make_record(seed=1, number=1, environment={"cpu": "a CPU\nharness: all is well"})
    paths = [str(Store(tmp_path).write(record)) for record in (here, there)]
    done = RUNNER.invoke(app, ["compare", *paths])
    assert "all is well" in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("harness:")]


def test_a_full_output_ends_in_one_line(make_record: RecordFactory, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(make_record().model_dump_json())
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "harness", "show", str(path)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "harness: cannot write to standard output: No space left on device\n"


def test_an_aborted_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def aborted() -> None:
        raise typer.Abort

    assert guarded(aborted) == 1
    assert capsys.readouterr().err == "harness: aborted\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tabel"], "No such command 'tabel'"),
        (["table", "--fromat", "csv"], "No such option: --fromat"),
        (["run", "--backend", "numpy@../../x", "--dry-run"], "'../../x' is no version"),
        (["run", "--backend", "numpy@", "--dry-run"], "'' is no version"),
        (["env", "add", "torch@--help"], "'--help' is no version"),
        (["table", ".", "--out", "x.xlsx"], "the format of '.xlsx' is not known"),
        (["run", "--timeout", "nan", "--dry-run"], "--timeout"),
        (["run", "--lr", "nan", "--dry-run"], "optimizer.lr: input should be a finite number, not nan"),
        (["run", "--seeds", "1,,2", "--dry-run"], "--seeds takes a number of seeds, or a list"),
        (["run", "-P", "=4", "--dry-run"], "unknown parameter of adding ''"),
        (["speed", "--block", "nan"], "--block must be above 0"),
        (["speed", "--length", "0x10"], "--length takes whole numbers from 1 on"),
        (["compare", "--a", "--backend=numpy", "--b", "'"], 'B: "\'" is no command line'),
        (["run", "--data", "FILE", "--dry-run"], "--data takes a folder"),
        (["run", "--data", "x" * 300, "--dry-run"], "File name too long"),
        (["run", "--data", "~nobody-of-that-name/x", "--dry-run"], "nobody's home folder"),
        (["compare", "--a", "--backend=numpy", "--b", "--backend=jax", "--pairs", "99999999"], "of 99,999,999 in all"),
        (["run", "--layers", "1000000000000000000", "--dry-run"], "too large for this machine"),
        (["run", "--steps", "1000000", "--evaluate-every", "1", "--dry-run"], "do not fit into a record"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_status_2(words: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = RUNNER.invoke(app, [str(tmp_path / "file") if word == "FILE" else word for word in words])
    assert done.exit_code == 2
    assert done.output.startswith("harness: ")
    assert says in done.output
    assert done.output.count("\n") == 1
