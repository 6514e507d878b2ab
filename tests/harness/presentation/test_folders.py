"""Folders by their index: it says what the files say, whatever becomes of either."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.analysis.groups import TRAITS
from harness.analysis.repeats import repetitions
from harness.presentation import folders, parsing, run_columns
from harness.presentation.curves import Curve, curve_of
from harness.presentation.frames import frame
from harness.presentation.run_table import runs_frame
from harness.records import snapshot, store
from harness.records.kept import Kept
from harness.records.listing import listed
from harness.records.run import Record
from harness.records.store import Store, StoreError, read_record
from harness.workflows.pack import pack
from tests.conftest import ROOT
from tests.harness.conftest import RecordFactory, made_record

PUBLISHED = ROOT / "results" / "published"
SAMPLES = ROOT / "tests" / "fixtures" / "records"


@pytest.fixture
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of this test's own, which takes files for settled at once."""
    monkeypatch.setenv("HARNESS_INDEX", str(tmp_path / "index"))
    monkeypatch.setattr(snapshot, "UNSETTLED_NS", 0)
    return tmp_path / "index"


@pytest.fixture
def parsed(kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed, as they are."""
    names: list[str] = []

    def counted(path: Path) -> Any:
        names.append(path.name)
        return store.sealed(path)

    monkeypatch.setattr(folders, "sealed", counted)
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three records."""
    place = tmp_path / "results"
    place.mkdir()
    for number in range(3):
        Store(place).write(made_record(number=number, seed=number))
    return place


def values_in(place: Path, name: str = "seed") -> list[Any]:
    return [run.value(name) for run in folders.read_all([place]).records if isinstance(run, Kept)]


def test_the_index_says_of_each_record_what_the_record_says(some_records: list[Record], tmp_path: Path) -> None:
    for record in some_records:
        Store(tmp_path).write(record)
    places = [tmp_path, PUBLISHED, SAMPLES]
    found, whole = folders.read_all(places), store.read_all(places)
    assert found.problems == whole.problems
    assert found.speeds == whole.speeds
    assert [run.id for run in found.records] == [record.id for record in whole.records]
    for name, get in folders.OF_RUNS.items():
        assert [run.value(name) for run in found.records if isinstance(run, Kept)] == list(map(get, whole.runs)), name
    pd.testing.assert_frame_equal(runs_frame(found.records), runs_frame(whole.records))
    rows = [frame(run_columns.SUMMARY.values(), repetitions(each.records)) for each in (found, whole)]
    with folders.prepared(found):
        rows.append(frame(run_columns.SUMMARY.values(), repetitions(folders.read_all(places).records)))
    pd.testing.assert_frame_equal(rows[0], rows[1])
    pd.testing.assert_frame_equal(rows[2], rows[1])
    for run, record in zip(found.records, whole.runs, strict=True):
        assert vars(curve_of(run)).keys() == vars(Curve.unpacked(curve_of(record).packed())).keys()
        assert curve_of(run).packed() == curve_of(record).packed()
    assert found.records[0].metrics == whole.runs[0].metrics  # which no column has


def test_a_trait_and_a_column_of_one_name_are_one_thing(some_records: list[Record]) -> None:
    for name in TRAITS.keys() & run_columns.KEPT.keys():
        assert all(TRAITS[name](record) == run_columns.KEPT[name](record) for record in some_records), name


def test_only_what_is_new_or_changed_is_parsed(folder: Path, parsed: list[str]) -> None:
    first, second, third = sorted(folder.iterdir())
    assert values_in(folder) == [0, 1, 2]
    assert len(parsed) == 3
    parsed.clear()
    assert values_in(folder) == [0, 1, 2]
    assert parsed == []

    seen = first.stat()
    record = read_record(first)
    spec = record.spec.model_copy(update={"seed": 5})
    other = record.model_copy(update={"spec": spec}).model_dump_json(indent=1)
    first.write_text(other + "\n")
    assert first.stat().st_size == seen.st_size
    os.utime(first, ns=(seen.st_atime_ns, seen.st_mtime_ns // 10**9 * 10**9 + 1))  # of the same second
    assert (values_in(folder), parsed) == ([5, 1, 2], [first.name])
    parsed.clear()
    first.write_text(other.replace('"seed": 5', '"seed": 6') + "\n")  # which its seal does not have
    os.utime(first, ns=(seen.st_atime_ns, seen.st_mtime_ns // 10**9 * 10**9 + 1))  # as if nothing had been
    altered = [f"{first}: altered since it was written: its contents do not match its digest"]
    for times in range(2):
        assert folders.read_all([folder]).problems == altered, times
    assert parsed == [first.name]
    parsed.clear()
    second.unlink()
    (folder / "junk.json").write_text("{")
    found = folders.read_all([folder])
    assert [run.id for run in found.records] == [third.stem]
    assert found.problems == [*altered, f"{folder / 'junk.json'}: not a valid record: not JSON"]
    assert parsed == ["junk.json"]
    assert values_in(folder / "..") == [2]


def test_a_file_that_was_written_just_now_is_not_taken_for_settled(
    folder: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "UNSETTLED_NS", 10**18)
    assert [values_in(folder) for _ in range(2)] == [[0, 1, 2]] * 2
    assert len(parsed) == 6
    pack(folder)
    parsed.clear()
    assert [values_in(folder.with_name("results.records.zip")) for _ in range(2)] == [[0, 1, 2]] * 2
    assert len(parsed) == 3, "each content in a pack has its CRC"


@pytest.mark.parametrize(
    ("kept", "wanted", "holds"),
    [
        ("7 1", "7 1", True), ("7 1", "7 2", False), ("7 1 @5", "7 1", False), ("7 1", "7 1 @5", False),
        ("7 1 @5", "7 1 @5", True), ("7 1 @6", "7 1 @5", True), ("7 1 @4", "7 1 @5", False),
        ("7 2 @9", "7 1 @5", False),
    ],
)  # fmt: skip
def test_of_an_unsettled_file_only_what_was_parsed_since_counts(kept: str, wanted: str, holds: bool) -> None:
    assert snapshot._holds(kept, wanted) is holds


def test_what_a_column_does_not_have_comes_from_the_file_as_it_is_now(folder: Path, make_record: RecordFactory) -> None:
    run = folders.read_all([folder]).records[0]
    path = folder / f"{run.id}.json"
    assert run.curve == read_record(path).curve
    again = folders.read_all([folder]).records[0]
    path.write_text(make_record(number=7).model_dump_json())
    with pytest.raises(StoreError, match="changed while it was being looked at"):
        _ = again.curve


def other_tables(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE files (something)")
    base.close()


def torn(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 200] = bytes(200)
    file.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no database": lambda file: file.write_bytes(b"no database " * 1000),
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-5000]),
    "torn": torn,
    "of something else": other_tables,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_index_is_made_anew_and_this_is_said_once(folder: Path, kept_in: Path, damage: str) -> None:
    values_in(folder)
    (file,) = kept_in.glob("*.sqlite")
    DAMAGE[damage](file)
    found = folders.read_all([folder])
    assert [run.value("seed") for run in found.records if isinstance(run, Kept)] == [0, 1, 2]
    assert [run.value("common") for run in found.records if isinstance(run, Kept)]
    assert found.notes == [f"the index {file} was damaged; it is made anew from the records"]
    again = folders.read_all([folder])
    assert (len(again.records), again.notes) == (3, [])


def test_an_index_that_is_damaged_while_it_is_read_is_made_anew(folder: Path, kept_in: Path) -> None:
    values_in(folder)
    found = folders.read_all([folder])
    (file,) = kept_in.glob("*.sqlite")
    torn(file)
    assert [run.value("seed") for run in found.records if isinstance(run, Kept)] == [0, 1, 2]
    assert len(found.notes) == 1
    assert values_in(folder, "backend") == ["torch"] * 3


def test_without_a_folder_to_keep_it_in_there_is_no_index(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in ("", str(tmp_path / "file"), "/proc/nowhere"):
        monkeypatch.setenv("HARNESS_INDEX", place)
        assert values_in(folder) == [0, 1, 2]
        assert folders.read_all([folder]).notes == []


READER = """
import sys
from pathlib import Path
from harness.presentation import folders
sys.stdin.readline()
for _ in range(5):
    rows, problems = folders.facts([Path(sys.argv[1])], ["id", "status"])
    print(len(rows), len({row["id"] for row in rows}), problems)
"""


def test_two_processes_read_and_write_one_index_at_once(folder: Path, kept_in: Path) -> None:
    for number in range(3, 40):
        Store(folder).write(made_record(number=number))
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdin
        reader.stdin.write("now\n")
        reader.stdin.flush()
    assert [reader.communicate()[0] for reader in readers] == ["40 40 []\n" * 5] * 2
    assert len(values_in(folder)) == 40


def test_many_files_are_read_by_several_processes_and_by_this_one_where_they_die(
    folder: Path, kept_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MANY", 3)
    monkeypatch.setattr(parsing, "AT_ONCE", 2)
    monkeypatch.setattr(parsing, "available_cpus", lambda: [0, 1])
    monkeypatch.setattr(parsing, "cpu_quota", lambda: None)
    paths = [str(path) for path in [*sorted(folder.iterdir()), folder / "none.json"]]
    here = [folders.row(path) for path in paths]
    assert sorted(parsing.rows(paths, folders.row)) == sorted(here)
    monkeypatch.setattr(parsing, "COMMAND", (sys.executable, "-c", "raise SystemExit"))
    assert sorted(parsing.rows(paths, folders.row)) == sorted(here)


def test_facts_are_rows_and_problems_are_named(folder: Path, kept_in: Path) -> None:
    (folder / "junk.json").write_text("[]")
    rows, problems = folders.facts([folder, SAMPLES / "schema-6.json"], ["id", "kind", "study_name", "took_s"])
    assert [row["study_name"] for row in rows] == [None] * 3 + ["seeds"]
    assert rows[0]["path"] == str(folder / f"{rows[0]['id']}.json")
    assert problems == [f"{folder / 'junk.json'}: not a valid record: not a JSON object"]
    with pytest.raises(KeyError):
        folders.facts([folder], ["nothing"])


@pytest.mark.skipif(os.name == "nt", reason="no permissions there")
def test_a_folder_that_cannot_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        Store(Path(place)).write(made_record())
        closed = Path(place) / "closed"
        closed.mkdir(mode=0)
        problems: list[str] = []
        former = os.geteuid()
        if former == 0:  # whom nothing is closed to
            os.seteuid(65534)
        try:
            found = [each.path for each in listed([Path(place)], problems)]
        finally:
            os.seteuid(former)
        assert [Path(path).name for path in found] == [f"{made_record().id}.json"]
        assert problems == [f"{closed}: Permission denied"]
