"""``harness data``: from files to the table; and everything that is wrong with files, each in one line."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from harness.cli import app
from tasks import datasets
from tests.conftest import Harness
from tests.fixtures.own_data import arrays, saved, sequences


def data(*words: str) -> Any:
    return CliRunner().invoke(app, ["data", *words])


def added(*words: str) -> list[str]:
    """The lines that are printed for a data set that is added."""
    done = data("add", *words)
    assert done.exit_code == 0, done.stderr
    return [*done.stdout.splitlines(), *done.stderr.splitlines()]


def refused(*words: str) -> str:
    """The one line that says why nothing was added; nothing of it is left in the folder of data sets."""
    before = kept_files()
    done = data("add", *words)
    assert (done.exit_code, done.stdout) == (2, ""), done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("harness: ")
    assert kept_files() == before
    return line.removeprefix("harness: ")


def kept_files() -> set[Path]:
    """All that lies in the folder of data sets, but for what is always there."""
    place = datasets.folder()
    return set(place.rglob("*")) - {place / name for name in ("sets", "names", "lock")}


# -- what a user does ---------------------------------------------------------------------
def test_arrays_become_a_task_whose_runs_are_verified(harness: Harness, tmp_path: Path) -> None:
    done = harness("data", "add", "mine", *saved(tmp_path, **arrays()))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "mine: 1 number from each sequence, 6 steps of 3 features"
    assert done.stdout.splitlines()[-1] == "train on it: harness run --task mine"
    done = harness("run", "--task", "mine", "--backend", "numpy", "--threads", "1", "--epochs", "5", "--batch", "8")
    assert done.returncode == 0, done.stderr
    assert "mine, smoke" in done.stdout
    (path,) = (tmp_path / "results" / "local").glob("*.json")
    record = json.loads(path.read_text())
    metrics = record["metrics"]
    assert (metrics["epochs"], record["spec"]["steps"]) == (5, 20)
    assert metrics["data_set"]["splits"] == {"train": 32, "validation": 4, "test": 4}
    assert record["spec"]["parameters"] == {"data": metrics["data_set"]["sha256"][:16]}
    assert str(tmp_path) not in path.read_text()
    done = harness("verify")
    assert done.returncode == 0, done.stdout
    assert "bit-identical" in done.stdout
    assert "epochs" in harness("show", str(path)).stdout


def test_what_is_kept_is_listed_shown_and_removed(own_data: Path, tmp_path: Path) -> None:
    assert data("list").stdout.startswith("none; add one")
    added("mine", *saved(tmp_path, **arrays("class", variable=True)))
    assert "one of 2 classes from each sequence, 1 to 6 steps" in " ".join(data("list").stdout.split())
    shown = data("show", "mine").stdout.splitlines()
    assert shown[1] == "splits: train 32, validation 4, test 4 (by seed 0: 80 % / 10 % / 10 %)"
    assert data("remove", "mine").exit_code == 0
    assert not list((own_data / "sets").iterdir())
    for command in ("show", "remove"):
        done = data(command, "mine")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert "no data set 'mine'; known: none" in done.stderr


def test_files_that_were_changed_are_found_out(own_data: Path, tmp_path: Path) -> None:
    added("mine", *saved(tmp_path, **arrays()))
    (path,) = own_data.rglob("train-y.npy")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    done = data("show", "mine")
    assert done.exit_code == 1
    assert "train-y of data set" in done.stderr
    assert "was changed since it was added" in done.stderr


def test_an_archive_and_a_table_are_data_sets_too(own_data: Path, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "all.npz", x_train=sequences(30), y_train=np.arange(30) % 3, x_test=sequences(9), y_test=[1] * 9
    )
    assert "splits: train 27, validation 3, test 9 (by seed 0: 90 % / 10 %, test as given)" in added(
        "archive", str(tmp_path / "all.npz")
    )
    table(100).to_csv(tmp_path / "s.csv", index=False)
    words = ["--target", "load", "--time", "when", "--window", "5", "--horizon", "2", "--standardise"]
    lines = added("table", str(tmp_path / "s.csv"), *words)
    assert lines[0] == "table: 2 numbers from each sequence, 5 steps of 2 features"
    assert "features: temp, load; target: load" in lines
    assert "standardised: by the training split" in lines
    pytest.importorskip("pyarrow")
    table(100).to_parquet(tmp_path / "s.parquet")
    added("parquet", str(tmp_path / "s.parquet"), *words)
    assert datasets.names()["parquet"] == datasets.names()["table"], "the same contents are kept once"
    assert data("remove", "table").exit_code == 0
    assert data("show", "parquet").exit_code == 0


def table(rows: int) -> pd.DataFrame:
    t = np.arange(rows)
    when = pd.date_range("2026-01-01", periods=rows, freq="h")
    return pd.DataFrame({"when": when, "temp": np.sin(t / 9), "load": np.cos(t / 9)})


def test_what_is_odd_but_not_wrong_is_told(own_data: Path, tmp_path: Path) -> None:
    given = arrays()
    given["x"][:, :, 1] = 4
    given["x"][:20, 0, 0] = 1e4
    given["y"] = np.round(given["y"])
    notes = " ".join(added("mine", *saved(tmp_path, **given)))
    assert "note: feature 1 (counted from 0) is constant in the training split" in notes
    assert "inputs reach 1e+04, where numbers near 1 train well; to scale them: --standardise" in notes
    assert "for classes save integers" in notes
    given["y"] = given["x"][:, :, 0]
    assert "6 numbers per sequence; for one per step: y[:, :, None]" in " ".join(added("m", *saved(tmp_path, **given)))


# -- what is wrong: arrays -----------------------------------------------------------------
def changed(**by_role: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    found: dict[str, Any] = arrays(variable=True)
    for role, change in by_role.items():
        found[role] = change(found[role].copy())
    return found


def with_value(place: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[place] = value
        return array

    return change


BAD_ARRAYS: list[tuple[dict[str, Callable[[np.ndarray], Any]], str]] = [
    (
        {"x": lambda x: x[:, :, 0]},
        "--x: three dimensions are needed (sequences, steps, features), not (40, 6); for one f",
    ),
    ({"x": lambda x: x[0, 0]}, "--x: three dimensions are needed (sequences, steps, features), not (3,)"),
    ({"x": lambda x: x[:0]}, "--x: the array is empty"),
    ({"x": lambda x: np.float32(3)}, "--x: an array of sequences is needed, not a single number"),
    (
        {"x": lambda x: x.astype(object)},
        "--x: it holds Python objects, which are never unpickled; save numbers, as with",
    ),
    ({"x": lambda x: x.astype(str)}, "--x: numbers are needed, not text"),
    ({"x": lambda x: x.astype(complex)}, "--x: numbers are needed, not complex numbers"),
    ({"x": lambda x: x.astype("datetime64[s]")}, "--x: numbers are needed, not dates"),
    ({"x": lambda x: np.zeros(3, [("a", "f4")])}, "--x: numbers are needed, not records"),
    ({"x": lambda x: x[:39]}, "--y has 40 rows, --x has 39 sequences: each needs its target"),
    (
        {"y": lambda y: y[:, :, None, None]},
        "--y: numbers to predict have the shape (sequences,), (sequences, outputs) or",
    ),
    ({"y": lambda y: y[:, :0]}, "--y: numbers to predict have the shape"),
    (
        {"y": lambda y: np.zeros((40, 5), int)},
        "--y: class numbers have the shape (sequences,) or (sequences, 6 steps), no",
    ),
    (
        {"y": lambda y: np.zeros(40, int)},
        "--y: all targets of the training split are of one class: there is nothing to le",
    ),
    ({"y": lambda y: np.zeros(40)}, "--y: all targets of the training split are alike: there is nothing to learn"),
    ({"y": lambda y: np.arange(40) - 7}, "--y: classes are numbered from 0; row 0 (counted from 0) has -7"),
    (
        {"y": lambda y: np.arange(40) * 10**6},
        "classes go up to 39,000,000, more than 65,536; whole numbers to predict as",
    ),
    ({"y": with_value((7, 0), np.nan)}, "--y has NaN in row 7, output 0 (each counted from 0)"),
    ({"x": with_value((11, 0, 2), np.nan)}, "--x has NaN in row 11, step 0, feature 2 (each counted from 0)"),
    (
        {"x": lambda x: with_value((1, 0, 1), np.inf)(x.astype("f2"))},
        "--x has inf in row 1, step 0, feature 1 (each count",
    ),
    ({"x": with_value((11, 0, 2), -np.inf)}, "--x has -inf in row 11, step 0, feature 2 (each counted from 0)"),
    (
        {"x": lambda x: with_value((3, 0, 1), 1e39)(x.astype(float))},
        "--x has 1e+39, too large for float32 in row 3, step ",
    ),
    ({"lengths": lambda n: n[:-1]}, "--lengths: one length per sequence is needed, (40,), not (39,)"),
    ({"lengths": lambda n: n[:, None]}, "--lengths: one length per sequence is needed, (40,), not (40, 1)"),
    ({"lengths": lambda n: n.astype(float)}, "--lengths: whole numbers are needed, not float64"),
    ({"lengths": with_value(4, 0)}, "--lengths: lengths go from 1 to 6; row 4 (counted from 0) has 0"),
    ({"lengths": with_value(4, 7)}, "--lengths: lengths go from 1 to 6; row 4 (counted from 0) has 7"),
    (
        {role: lambda array: array[:2] for role in ("x", "y", "lengths")},
        "2 sequences are too few: each split needs one",
    ),
]


@pytest.mark.parametrize(("changes", "says"), BAD_ARRAYS, ids=[says[:50] for _, says in BAD_ARRAYS])
def test_arrays_that_do_not_fit_are_refused_in_one_line(
    own_data: Path, tmp_path: Path, changes: dict[str, Callable[[np.ndarray], Any]], says: str
) -> None:
    words = saved(tmp_path, **changed(**changes))
    assert refused("mine", *words).startswith(says)


def test_a_pickle_is_never_opened(own_data: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    words = saved(tmp_path, **arrays())
    (tmp_path / "x.npy").write_bytes(pickle.dumps(Trap()))
    assert refused("mine", *words) == "--x: x.npy is no .npy file; save numbers with numpy.save"
    np.save(tmp_path / "x.npy", np.array([Trap(), None], dtype=object), allow_pickle=True)
    assert "which are never unpickled" in refused("mine", *words)
    np.savez(tmp_path / "x.npz", x=np.array([Trap()], dtype=object), y=np.zeros(1))
    assert "which are never unpickled" in refused("mine", str(tmp_path / "x.npz"))
    assert not (tmp_path / "sprung").exists()


def test_files_that_are_none_are_refused_in_one_line(own_data: Path, tmp_path: Path) -> None:
    words = saved(tmp_path, **arrays())
    (tmp_path / "y.npy").write_bytes((tmp_path / "y.npy").read_bytes()[:-7])
    assert refused("mine", *words).startswith("--y: y.npy is damaged: ")
    (tmp_path / "y.npy").unlink()
    assert refused("mine", *words) == "--y: cannot read y.npy: No such file or directory"
    (tmp_path / "y.npy").mkdir()
    assert refused("mine", *words) == "--y: y.npy is no regular file"
    (tmp_path / "y.npy").rmdir()
    os.mkfifo(tmp_path / "y.npy")
    assert refused("mine", *words) == "--y: y.npy is no regular file"
    (tmp_path / "a.npz").write_text("no archive")
    assert refused("mine", str(tmp_path / "a.npz")).startswith("a.npz: cannot be read as .npz: ")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("../escaped.npy", b"")
    assert refused("mine", str(tmp_path / "a.npz")).startswith("a.npz: has an array '../escaped'; known are x,")
    np.savez(tmp_path / "a.npz", x=sequences())
    assert refused("mine", str(tmp_path / "a.npz")).startswith("y is missing")
    assert refused("mine", "data.txt").startswith("data.txt: a file is .npz, .csv, .parquet, .pq;")


def test_sequences_for_testing_must_be_like_those_for_training(own_data: Path, tmp_path: Path) -> None:
    given = arrays()
    for x, y, says in [
        (given["x"][:, :5], given["y"], "--x-test has the shape (40, 5, 3), which does not fit --x: (40, 6, 3)"),
        (given["x"], np.arange(40), "--y-test holds other targets than --y: int64 of (40,)"),
        (given["x"], np.zeros((40, 2)), "--y-test has the shape (40, 2), which does not fit --y: (40, 1)"),
    ]:
        assert refused("mine", *saved(tmp_path, **given, x_test=x, y_test=y)) == says
    assert refused("mine", *saved(tmp_path, **given, x_test=given["x"])).startswith("y_test is missing")


# -- what is wrong: words -------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["Mine", "../mine", "my data", "", ".hidden", "-x-", "mine/x", "ü", "a" * 65, "mine\n", "$(id)", "a\x1b[0m"]
)
def test_a_name_with_odd_characters_is_refused(own_data: Path, tmp_path: Path, name: str) -> None:
    says = refused(*saved(tmp_path, **arrays()), "--", name)
    assert "is no name for a data set: up to 64 small letters, digits, dots" in says


def test_a_name_that_is_taken_is_refused(own_data: Path, tmp_path: Path) -> None:
    words = saved(tmp_path, **arrays())
    for name in ("adding", "all"):
        assert refused(name, *words) == f"{name!r} is a task already; choose another name"
    added("mine", *words)
    done = data("add", "mine", *words)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "'mine' is a data set already" in done.stderr
    assert "harness data remove mine" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("mine", "a data set needs --x X.npy --y Y.npy, or a file: .npz, .csv or .parquet"),
        ("mine --x {x}", "y is missing"),
        ("mine --x {x} --x {y} --y {y}", "--x is given twice; it takes one value"),
        ("mine --x {x} --y {y} --target a", "--target, --features and --time are for a table"),
        ("mine --x {x} --y {y} --window 4", "--window, --horizon, --features and --time need --target COLUMN"),
        ("mine {s} --x {x}", "s.csv or single arrays (--x, --y …): give one of them"),
        ("mine {s}", "s.csv: --target COLUMN says which column is to be predicted"),
        ("mine {s} --target load --window 0", "Invalid value for '--window'"),
        ("mine {s} --target laod", "s.csv: unknown column 'laod'; did you mean 'load'?"),
        ("mine {s} --target load --features temp,temp", "--features names a column twice"),
        (
            "mine {s} --target load --time temp --features temp",
            "--time temp: times are in order, and neither a feature",
        ),
        ("mine {s} --target load", "s.csv: '2026-01-01 00:00:00' in line 2, column 'when' is no number; name the colu"),
        (
            "mine --x {x} --y {y} --fractions 0.5,0.5",
            "--fractions: 3 numbers are needed, for training, validation and t",
        ),
        ("mine --x {x} --y {y} --fractions 0.5,0.5,0.5", "--fractions: numbers between 0 and 1 that make 1"),
        ("mine --x {x} --y {y} --fractions nan,1,0", "--fractions: numbers between 0 and 1 that make 1"),
        ("mine --x {x} --y {y} --fractions some", "--fractions takes numbers such as 0.8,0.1,0.1, not 'some'"),
        ("mine --x {x} --y {y} --split-seed -1", "Invalid value for '--split-seed'"),
    ],
)
def test_words_that_do_not_fit_are_refused(own_data: Path, tmp_path: Path, words: str, says: str) -> None:
    saved(tmp_path, **arrays())
    table(60).to_csv(tmp_path / "s.csv", index=False)
    places = {"x": tmp_path / "x.npy", "y": tmp_path / "y.npy", "s": tmp_path / "s.csv"}
    assert refused(*words.format(**places).split()).startswith(says)


# -- what is wrong: tables -------------------------------------------------------------------
BAD_TABLES = [
    ("a,b\n", "s.csv: has a header and no rows"),
    ("", "s.csv: the file is empty"),
    ("a,b\n1,2\n", "s.csv: a window of 2 and a horizon of 1 need 3 rows and more, not 1"),
    (
        "a,b\n1,2\n3,x\n5,6\n7,8\n",
        "s.csv: 'x' in line 3, column 'b' is no number; name the columns to use: --features a",
    ),
    ("a,b\n1,2\n3,\n5,6\n7,\n", "s.csv: no value in line 3, column 'b'; 2 such in all"),
    ("a,b\n1,2\n3,inf\n5,6\n", "s.csv: inf in line 3, column 'b'; 1 such in all"),
    (
        'a,b\n1,"2,5"\n3,"3,5"\n5,6\n',
        "s.csv: '2,5' in line 2, column 'b' is no number; decimals have a point, as in 2.5",
    ),
    ("a,b\n1,5,2\n1,5,3\n1,5,4\n", "s.csv: rows have more fields than the header; decimals have a point, as in 3.14"),
    ("a,b\n1,2\n1,2,3\n", "s.csv: cannot be read as CSV: Expected 2 fields in line 3, saw 3"),
    ("a;b\n1,5;2\n1,6;3\n", "s.csv: "),
    ("a;b\n1.5;2\n1.6;3\n", "s.csv: columns are separated by semicolons; commas are needed"),
    ("a,b\n1,1\n2,2\n3,3\n4,4\n", "2 sequences are too few: each split needs one, and training more than that"),
]


@pytest.mark.parametrize(("text", "says"), BAD_TABLES, ids=range(len(BAD_TABLES)))
def test_a_table_that_is_no_series_is_refused(own_data: Path, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    assert refused("mine", str(tmp_path / "s.csv"), "--target", "b", "--window", "2").startswith(says)


def test_bytes_that_are_no_table_are_refused(own_data: Path, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    assert "cannot be read as CSV: 'utf-8' codec" in refused("mine", str(tmp_path / "s.csv"), "--target", "b")
    pytest.importorskip("pyarrow")
    (tmp_path / "s.parquet").write_text("no parquet")
    assert "cannot be read as Parquet" in refused("mine", str(tmp_path / "s.parquet"), "--target", "b")
    says = refused("mine", str(tmp_path / "none.csv"), "--target", "b")
    assert says == "cannot read none.csv: No such file or directory"


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (
            ["2026-01-01", "2026-01-02", "2026-01-02", "2026-01-03"],
            "line 4, column 'when', is not later than the one befo",
        ),
        (
            ["2026-01-03", "2026-01-02", "2026-01-04", "2026-01-05"],
            "line 3, column 'when', is not later than the one befo",
        ),
        (["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-05"], "line 5, column 'when', comes after a gap: fill it"),
        (["2026-01-01", "2026-01-02", "soon", "2026-01-05"], "no time in line 4, column 'when'"),
        (["2026-01-01", "", "2026-01-03", "2026-01-05"], "no time in line 3, column 'when'"),
        (["1", "2", "3", "9"], "line 5, column 'when', comes after a gap: fill it"),
    ],
)
def test_times_that_do_not_rise_evenly_are_refused(own_data: Path, tmp_path: Path, times: list[str], says: str) -> None:
    rows = "\n".join(f"{time},{number}" for number, time in enumerate(times))
    (tmp_path / "s.csv").write_text(f"when,b\n{rows}\n")
    words = ["--target", "b", "--time", "when", "--window", "1"]
    assert says in refused("mine", str(tmp_path / "s.csv"), *words)


def test_months_rise_evenly_enough(own_data: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"when": pd.date_range("2020-01-01", periods=40, freq="MS"), "b": np.arange(40.0)})
    frame.to_csv(tmp_path / "s.csv", index=False)
    added("mine", str(tmp_path / "s.csv"), "--target", "b", "--time", "when", "--window", "2")


# -- no room ---------------------------------------------------------------------------------
def test_a_folder_that_cannot_be_written_and_a_full_disk_are_told(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = saved(tmp_path, **arrays())
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 1000})())
    assert "GiB are to be kept in" in refused("mine", *words)
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_DATASETS", str(tmp_path / "file"))
    assert "cannot be written: Not a directory" in refused("mine", *words)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_stopped_leaves_no_data_set(
    harness: Harness, own_data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    shape = (2**15, 128, 64)  # a gigabyte, of which the file system keeps the header alone
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + 4 * int(np.prod(shape)))
    np.save(tmp_path / "y.npy", np.arange(shape[0]) % 3)
    words = ["data", "add", "mine", "--x", str(tmp_path / "x.npy"), "--y", str(tmp_path / "y.npy")]
    with subprocess.Popen([sys.executable, "-m", "harness", *words], stderr=subprocess.PIPE, text=True) as command:
        while not list(own_data.glob(".unfinished-*/train-x.npy")):  # half-written
            assert command.poll() is None
            time.sleep(0.02)
        command.send_signal(number)
        assert command.wait(60) != 0
        said = command.stderr.read() if command.stderr else ""
    if number != signal.SIGKILL:
        assert said.splitlines()[-1] == "harness: stopped by the user; nothing was kept"  # after the notes
        assert kept_files() == set()
    assert datasets.names() == {}
    added("other", *saved(tmp_path, **arrays()))
    assert list(datasets.names()) == ["other"]
    assert not list(own_data.glob(".*"))
