"""Files written whole or not at all, and what killed writers leave."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from harness.presentation import report
from harness.presentation.export import render
from harness.presentation.figure import Drawn
from harness.records import whole as module
from harness.records.run import Record
from harness.records.store import Found
from harness.records.whole import scratch, sweep, whole, whole_folder, write_whole

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks")
WRITER = """
import sys, time
from pathlib import Path
from harness.records.whole import whole
with whole(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@posix
def test_a_link_that_leads_nowhere_else_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.symlink_to(target.name)
    write_whole(target, "first\n")
    assert target.read_text() == "first\n"
    assert contents(tmp_path) == [target.name]


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    write_whole(target, "first\n")
    with pytest.raises(ZeroDivisionError), whole(target) as temporary:  # noqa: PT012
        temporary.write_text("half of the sec")
        assert target.read_text() == "first\n"
        raise ZeroDivisionError
    assert target.read_text() == "first\n"
    write_whole(target, "second\r\n")
    assert target.read_bytes() == b"second\r\n"
    assert contents(tmp_path) == ["page.html"]


def test_a_link_stays_one_and_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    write_whole(Path(os.devnull), "text")
    assert not Path(os.devnull).is_file()


def test_what_cannot_be_written_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"nowhere/page\.html'"):
        write_whole(tmp_path / "nowhere" / "page.html", "text")


@posix
def test_what_a_killed_writer_left_is_swept_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    target = tmp_path / "record.json"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            (left,) = contents(tmp_path)
            sweep(tmp_path)
            assert contents(tmp_path) == [left]
        finally:
            writer.send_signal(signal.SIGKILL)
    write_whole(tmp_path / "next.json", "{}")
    assert contents(tmp_path) == ["next.json"]


HOST = module._HOST


@posix
@pytest.mark.parametrize(
    ("name", "days_old", "stays"),
    [
        (f".a.json.{HOST}-1.harness.tmp", 0, False),  # process 1 lives: the number was given again
        (".a.json.another-host-1.harness.tmp", 0, True),
        (".a.json.another-host-1.harness.tmp", 2, False),
        (".20260102T030405Z-adding-numpy-lstm-0123abcd.json.4711.tmp", 0, True),  # as former versions named them
        (".20260102T030405Z-adding-numpy-lstm-0123abcd.json.4711.tmp", 2, False),
        (".a.json.4711.tmp", 2, True),
        ("a.json", 2, True),
    ],
)
def test_whose_files_are_swept_and_when(tmp_path: Path, name: str, days_old: float, stays: bool) -> None:
    path = tmp_path / name
    path.write_text("half")
    then = time.time() - 86_400 * days_old
    os.utime(path, (then, then))
    sweep(tmp_path)
    assert path.exists() == stays


BUILDING = """
import sys, time
from pathlib import Path
from harness.records.whole import whole_folder
with whole_folder(Path(sys.argv[1]), "mark.txt") as made:
    (made / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@posix
def test_a_folder_is_there_whole_or_as_it_was_and_a_killed_writers_is_swept(tmp_path: Path) -> None:
    target = tmp_path / "site"
    with whole_folder(target, "mark.txt") as made:
        (made / "page").write_text("first")
        assert not target.exists()
    with pytest.raises(FileNotFoundError), whole_folder(target, "mark.txt") as made:
        (made / "nowhere" / "page").write_text("second")
    assert (contents(tmp_path), (target / "page").read_text()) == (["site"], "first")
    with subprocess.Popen([sys.executable, "-c", BUILDING, str(target)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == b"writing\n"
            sweep(tmp_path)
            assert len(contents(tmp_path)) == 2
        finally:
            writer.send_signal(signal.SIGKILL)
    with whole_folder(target, "mark.txt") as made:
        (made / "other").write_text("third")
    assert (contents(tmp_path), contents(target)) == (["site"], ["mark.txt", "other"])


HANDING = """
import sys, time
from pathlib import Path
from harness.records.whole import scratch
with scratch(Path(sys.argv[1]), "keep") as temporary:
    temporary.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


@posix
def test_what_is_handed_over_is_gone_afterwards_and_swept_where_the_process_was_killed(tmp_path: Path) -> None:
    with scratch(tmp_path, "keep") as one, scratch(tmp_path, "keep") as other:
        one.write_bytes(b"whole")
        sweep(tmp_path)
        assert one != other
        assert one.read_bytes() == b"whole"
    assert contents(tmp_path) == []
    with subprocess.Popen([sys.executable, "-c", HANDING, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(contents(tmp_path)) == 1
        process.send_signal(signal.SIGKILL)
    write_whole(tmp_path / "next.json", "{}")
    assert contents(tmp_path) == ["next.json"]


@pytest.mark.parametrize("name", ["runs.csv", "runs.md", "runs.parquet", "figure.png", "figure.svg", "report.html"])
def test_pages_figures_and_tables_are_whole_or_as_they_were(
    tmp_path: Path, some_records: list[Record], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / name).write_text("as it was")
    monkeypatch.setattr(module.os, "fsync", full)
    found = Found(records=some_records[:2])
    with pytest.raises(OSError, match="No space left"):  # noqa: PT012
        if name.startswith("runs"):
            render(found, [], [], [], None, tmp_path / name)
        elif name.startswith("figure"):
            Drawn("figure", "", "", Figure()).save(tmp_path / name)
        else:
            monkeypatch.setattr(report, "_pictures", lambda figures, folder: [])
            report.write(found, tmp_path)
    assert (tmp_path / name).read_text() == "as it was"
    assert not list(tmp_path.glob(".*"))
