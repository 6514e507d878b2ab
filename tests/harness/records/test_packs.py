"""Packs: the same bytes out as in, and nothing of a stranger's archive believed."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.records import packs
from harness.records.listing import ENDING, LARGEST_BYTES
from harness.records.store import StoreError, read, read_all
from harness.workflows.pack import pack, unpack
from tests.conftest import ROOT

PUBLISHED = ROOT / "results" / "published"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records in a folder and a subfolder, one that is altered, JSON that is none, and a file of another kind."""
    place = tmp_path / "runs"
    (place / "more").mkdir(parents=True)
    first, second, third = sorted(PUBLISHED.rglob("*lstm*.json"))[:3]
    (place / first.name).write_bytes(first.read_bytes())
    (place / "more" / second.name).write_bytes(second.read_bytes())
    (place / "altered.json").write_bytes(third.read_bytes().replace(b'"ok"', b'"failed"', 1))
    (place / "junk.json").write_bytes(b"\xff{\r\n")
    return place


def test_a_pack_is_read_as_its_folder_and_gives_back_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    made = pack(folder)
    assert (made.path, made.records, made.notes) == (tmp_path / "runs.records.zip", 4, [])
    again = pack(folder, tmp_path / "again.zip").path
    assert again.read_bytes() == made.path.read_bytes()
    with zipfile.ZipFile(again) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # whenever it is made
    there, here = read_all([made.path]), read_all([folder])
    assert there.records == here.records
    assert [line.removeprefix(str(made.path)) for line in there.problems] == [
        line.removeprefix(str(folder)) for line in here.problems
    ]
    one = next(folder.glob("2*.json"))
    assert read(made.path / one.name) == read(one)
    assert unpack(made.path, tmp_path / "back").records == 4
    assert contents(tmp_path / "back") == contents(folder)
    assert stat.S_IMODE((tmp_path / "back").stat().st_mode) == stat.S_IMODE((folder / "more").stat().st_mode)


def test_what_is_no_record_is_left_out_and_named(folder: Path, tmp_path: Path) -> None:
    (folder / "x.safetensors").write_bytes(b"x")
    pack(folder, folder / "inner.records.zip")
    made = pack(folder)
    assert made.notes == ["left out: 2 files that do not end in .json (inner.records.zip, …)"]
    with zipfile.ZipFile(made.path, "a") as archive:  # a pack in a pack, and a stranger's file
        archive.write(folder / "inner.records.zip", "inner.records.zip")
        archive.writestr("setup.py", "raise SystemExit")
    found = read_all([made.path])
    assert len(found.records) == 2
    assert found.problems[:2] == [
        f"{made.path}/{name}: no record's file, which ends in .json" for name in ("inner.records.zip", "setup.py")
    ]
    assert unpack(made.path, tmp_path / "back").notes == [made.notes[0]]
    assert set(contents(tmp_path / "back")) == {name for name in contents(folder) if name.endswith(".json")}


@pytest.mark.parametrize("left", [0, 10, 0.5, -1])
def test_a_pack_that_was_cut_short_is_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, left: float) -> None:
    made = pack(folder).path
    whole = made.read_bytes()
    made.write_bytes(whole[: int(left * len(whole)) if 0 < left < 1 else int(left)])
    why = f"{made}: not a pack of records, or one that was cut short"
    assert read_all([made]).problems == [why]
    with pytest.raises(UsageError) as refusal:
        unpack(made, tmp_path / "back")
    assert str(refusal.value) == why
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "runs.records.zip"]


def test_a_record_whose_bytes_are_damaged_is_named_and_the_others_are_read(folder: Path, tmp_path: Path) -> None:
    made = pack(folder).path
    with zipfile.ZipFile(made) as archive:
        name = next(name for name in archive.namelist() if name.startswith("2"))
        at = archive.getinfo(name).header_offset + 400
    content = bytearray(made.read_bytes())
    content[at : at + 4] = b"\0\0\0\0"
    made.write_bytes(content)
    found = read_all([made])
    assert len(found.records) == 1
    damaged = f"{made}/{name}: damaged: not the bytes that were packed"
    assert damaged in found.problems
    with pytest.raises(UsageError, match="damaged: not the bytes that were packed"):
        unpack(made, tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert not list(tmp_path.glob(".*"))


def named(name: str) -> Callable[[zipfile.ZipFile], None]:
    return lambda archive: archive.writestr(name, "{}")


def linked(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("link.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def blown_up(archive: zipfile.ZipFile) -> None:
    archive.writestr("bomb.json", bytes(40 * 2**20), zipfile.ZIP_DEFLATED)


def too_large(archive: zipfile.ZipFile) -> None:
    archive.writestr("large.json", os.urandom(2**20) * (LARGEST_BYTES // 2**20 + 1), zipfile.ZIP_DEFLATED, 1)


def shared(archive: zipfile.ZipFile) -> None:
    archive.writestr("a.json", os.urandom(5000), zipfile.ZIP_STORED)
    for name in "bcd":
        twin = zipfile.ZipInfo(f"{name}.json")
        for field in ("header_offset", "compress_size", "file_size", "CRC", "external_attr", "create_system"):
            setattr(twin, field, getattr(archive.infolist()[0], field))
        archive.filelist.append(twin)


HOSTILE: dict[str, tuple[Callable[[zipfile.ZipFile], None], str]] = {
    "above": (named("../out.json"), "'../out.json' leads out of the folder"),
    "within": (named("a/../../out.json"), "'a/../../out.json' leads out of the folder"),
    "absolute": (named("/tmp/out.json"), "'/tmp/out.json' leads out of the folder"),
    "backslash": (named("..\\out.json"), "leads out of the folder"),
    "drive": (named("C:out.json"), "leads out of the folder"),
    "control": (named("a\x1b[2J.json"), "is no name of a file"),
    "twice": (
        lambda archive: [named(name)(archive) for name in ("a.json", "A.json")] and None,
        "two files of one name",
    ),
    "link": (linked, "'link.json' is no regular file"),
    "bomb": (blown_up, "'bomb.json' would be blown up"),
    "large": (too_large, "'large.json' is larger than any record"),
    "overlapping": (shared, "its files share bytes"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_pack_is_refused_in_one_line_and_writes_nothing(kind: str, tmp_path: Path) -> None:
    fill, why = HOSTILE[kind]
    made = tmp_path / "runs.records.zip"
    with zipfile.ZipFile(made, "w") as archive:
        fill(archive)
    with pytest.raises(packs.PackError) as refusal:
        packs.members(made, ENDING, LARGEST_BYTES)
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "\x1b" not in str(refusal.value)
    assert read_all([made]).problems == [str(refusal.value)]
    with pytest.raises(UsageError):
        unpack(made, tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


def test_packing_what_cannot_be_packed_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "pipes").mkdir()
    made = pack(folder).path
    for place, out, why in (
        (tmp_path / "nowhere", None, "is no folder"),
        (tmp_path / "empty", None, "no records in"),
        (made, None, "is a pack already"),
        (folder, None, "exists already"),
        (folder, tmp_path / "x.tar", "ends in .records.zip"),
        (folder, tmp_path / "nowhere" / "x.zip", "cannot write"),
    ):
        with pytest.raises(UsageError, match=why):
            pack(place, out)
    for file, out, why in (
        (tmp_path / "nowhere.zip", None, "there is no such file"),
        (folder / "junk.json", None, "a pack's name ends in"),
        (made, folder, "exists already"),
        (made, folder / "junk.json" / "x", "cannot write"),
    ):
        with pytest.raises(UsageError, match=why):
            unpack(file, out)
    with pytest.raises(StoreError, match="a pack of records; name one of them, as in"):
        read(made)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipes" / "fifo.json")
        with pytest.raises(UsageError, match=r"fifo\.json: not a regular file"):
            pack(tmp_path / "pipes")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("blanks.json", " " * 3_000_000, "'blanks.json' would be blown up to more than any record"),
        ("a:b.json", "{}", "'a:b.json' leads out of the folder"),
        ("RUN.json", "{}", "it holds two files of one name"),
    ],
)
def test_what_no_command_would_read_is_not_packed(name: str, content: str, why: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "run.json").write_text("{}")
    (there / name).write_text(content)
    with pytest.raises(UsageError, match=re.escape(f"there.records.zip: not written: {why}")):
        pack(there)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_leases_of_a_study_are_not_named_as_left_out(folder: Path) -> None:
    (folder / ".study" / "leases").mkdir(parents=True)
    (folder / ".study" / "name").write_text("mine")
    assert not any("name" in note for note in pack(folder).notes)
