"""Records on disk: whole or not at all, and nothing foreign is fatal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.records import seal
from harness.records import store as stores
from harness.records.base import Environment
from harness.records.run import Record
from harness.records.store import Store, StoreError, read_all, read_record
from harness.specs.run import RunSpec

ROOT = Path(__file__).resolve().parents[3]
SPEC: dict[str, Any] = {
    "task": "adding", "preset": "smoke", "parameters": {"length": 4, "markers": "halves"}, "backend": "numpy",
    "model": {"hidden": 3}, "batch": 10, "steps": 12, "chunk": 3, "evaluate_every": 6, "threads": 1,
}  # fmt: skip


def a_record(identity: str = "one", **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": identity, "created": "2026-01-02T03:04:05Z", "status": "failed", "reason": "a test", "spec": SPEC,
        "environment": Environment(cpu="x", logical_cpus=1, os="y", python="3", versions={}),
    }  # fmt: skip
    return Record.model_validate(fields | changes)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    record = a_record()
    assert read_record(Store(tmp_path).write(record)) == record
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


specs = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**63 - 1),
        "batch": st.integers(1, 10**6),
        "precision": st.sampled_from(["float32", "float64", "tf32", "bfloat16"]),
        "optimizer": st.fixed_dictionaries({"lr": st.floats(1e-9, 1e3), "clip": st.none() | st.floats(1e-9, 1e9)}),
        "parameters": st.dictionaries(
            st.text(min_size=1, max_size=9),
            st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text(),
        ),
    }
)


@given(specs)
def test_a_spec_survives_json_and_equal_specs_have_equal_digests(changes: dict[str, Any]) -> None:
    spec = RunSpec.model_validate(SPEC | changes)
    again = RunSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert hash(again) == hash(spec)
    other = RunSpec.model_validate({**SPEC, **changes, "steps": 13})
    assert other.digest != spec.digest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    junk=st.binary(max_size=300)
    | st.text(max_size=200).map(str.encode)
    | st.sampled_from([b"{}", b"[]", b"null", b"1", b'{"a": NaN}', b'{"schema_version": 2, "a": 1e999}'])
    | st.integers(1, 5000).map(lambda deep: b'{"schema_version": 2, "a": ' + b"[" * deep + b"]" * deep + b"}")
)
def test_foreign_files_are_named_and_skipped(tmp_path: Path, junk: bytes) -> None:
    Store(tmp_path).write(a_record())
    (tmp_path / "junk.json").write_bytes(junk)
    found = read_all([tmp_path])
    assert [record.id for record in found.records] == ["one"]
    assert len(found.problems) == 1
    assert "junk.json" in found.problems[0]
    assert "\n" not in found.problems[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["status"], "splendid"), (["spec", "model", "hidden"], 0), (["spec", "task"], "../../etc/passwd"),
        (["spec", "batch"], "many"), (["schema_version"], 99), (["id"], "../escape"), (["surprise"], 1),
        (["created"], "yesterday"), (["environment", "versions"], ["numpy"]), (["created"], "2026-01-02T03:04:05"),
        (["created"], "9999-12-31T23:59:59-23:59"), (["created"], "2200-01-01T00:00:00Z"),
        (["spec", "evaluate_every"], 2**63), (["spec", "parameters", "length"], 10**30),
        (["environment", "logical_cpus"], 2**64), (["spec", "model", "layers"], 10**20),
    ],
)  # fmt: skip
def test_a_record_edited_into_nonsense_is_refused_in_one_line(tmp_path: Path, path: list[str], value: Any) -> None:
    document = json.loads(a_record().model_dump_json())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    document["digest"] = seal.digest(document)  # by one who knows how
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(document))
    with pytest.raises(StoreError, match=r"edited\.json: not a valid record: \S.*") as refusal:
        read_record(file)
    assert "\n" not in str(refusal.value)


def test_a_file_too_large_to_be_a_record_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as sparse:
        sparse.truncate(stores.LARGEST_BYTES + 1)
    with pytest.raises(StoreError, match="larger than any record"):
        read_record(file)


def test_a_missing_place_is_named() -> None:
    assert read_all([Path("nowhere")]).problems == ["nowhere: No such file or directory"]


FULL_DISK = """
import resource, sys, tempfile
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import a_record
from harness.records.store import Store, StoreError
folder, refuge = Path(sys.argv[1]), Path(sys.argv[2])
tempfile.tempdir = str(refuge)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
try:
    Store(folder).write(a_record())
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's file size limit stands in for a full disk")
def test_a_disk_that_fills_up_loses_nothing_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    folder, refuge = tmp_path / "results", tmp_path / "refuge"
    folder.mkdir()
    refuge.mkdir()
    code = FULL_DISK.format(tests=str(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(refuge)], capture_output=True, text=True, check=True
    )
    message, _, kept = done.stdout.strip().partition("the record is: ")
    assert "cannot write" in message
    assert json.loads(kept) == json.loads(a_record().model_dump_json())
    assert not list(folder.iterdir())
    assert not list(refuge.iterdir())


def test_a_record_that_cannot_be_written_is_kept_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuge = tmp_path / "refuge"
    refuge.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(refuge))
    with pytest.raises(StoreError, match=f"the record is kept in {refuge}"):
        Store(tmp_path / "gone").write(a_record())
    assert read_record(refuge / "one.json") == a_record()


def test_a_record_that_nothing_would_read_is_not_put_among_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "LARGEST_BYTES", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StoreError, match=f"larger than any record is read .*; the record is kept in {tmp_path}"):
        Store(tmp_path / "results").write(a_record())
    assert [path.name for path in tmp_path.iterdir()] == ["one.json"]


@pytest.mark.skipif(os.name == "nt", reason="names are longer there")
def test_a_name_that_no_file_can_have_is_a_problem_and_no_more(tmp_path: Path) -> None:
    place = tmp_path / ("x" * 300)
    assert read_all([place, tmp_path]).problems == [f"{place}: File name too long"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system with FIFOs")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    assert read_all([tmp_path]).problems == [
        f"{tmp_path}/{name}.json: not a regular file" for name in ("device", "fifo", "folder")
    ]
    os.mkfifo(tmp_path / "page.html")
    with pytest.raises(StoreError, match="not a regular file"):
        list(stores.named_in(tmp_path / "page.html"))


def test_no_more_is_read_than_any_record_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "LARGEST_BYTES", 2**20)
    for name, size in (("long.json", 2**20 + 1), ("page.md", 2**20 + 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    with pytest.raises(StoreError, match="larger than any record"):
        stores.read(tmp_path / "long.json")
    with pytest.raises(StoreError, match="larger than any report"):
        list(stores.named_in(tmp_path / "page.md"))


HOSTILE = ("--help", "/bin/sh", "results/x/python", "3.11\n", "3.11;x", "$(x)", "\x1b[2J", "..", "")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_refused_where_a_record_is_read(value: str, tmp_path: Path) -> None:
    whole = json.loads(a_record().model_dump_json())
    changes: list[dict[str, Any]] = [
        {"environment": whole["environment"] | {"python": value}},
        {"variant": value}, {"id": value}, {"command": value}, {"command": f"harness run {value} x; {value}"},
        {"command": f"harness run --results={value}"},
        *({"spec": whole["spec"] | {name: value}} for name in ("task", "backend", "variant", "preset")),
    ]  # fmt: skip
    for change in changes:
        document = whole | change
        document["digest"] = seal.digest(document)
        path = tmp_path / "r.json"
        path.write_text(json.dumps(document))
        with pytest.raises(StoreError, match="not a valid record"):
            stores.read(path)


def test_copies_of_a_record_are_one_record(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "copy.json").write_text(json.dumps(json.loads(a_record().model_dump_json())))
    first = tmp_path / "one" / "copy.json"
    found = read_all([tmp_path, first, first])
    assert (len(found.records), found.problems) == (1, [])


def test_two_records_under_one_id_are_named(tmp_path: Path) -> None:
    for number, reason in enumerate(("a test", "another")):
        (tmp_path / f"{number}.json").write_text(a_record(reason=reason).model_dump_json())
    found = read_all([tmp_path])
    assert [record.reason for record in found.records] == ["a test"]
    assert found.problems == [
        f"{tmp_path / '1.json'}: another record than {tmp_path / '0.json'}, under the same id, one"
    ]
