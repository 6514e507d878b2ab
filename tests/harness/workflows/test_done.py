"""Which runs are done: the newest record of a key decides, and copies and other files do not count."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.records.resume import key_of
from harness.records.store import Store
from harness.workflows.done import Done
from tests.harness.conftest import made_record
from tests.harness.records.test_resume import WHERE


def kept(folder: Path, number: int, **about: Any) -> str:
    """Write a record; its key."""
    record = made_record(number=number, environment=WHERE, **about)
    Store(folder).write(record)
    return str(key_of(record))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "records"
    Store(found).prepare()
    return found


def test_the_newest_record_decides(folder: Path) -> None:
    key = kept(folder, 2, status="failed", reason="it broke")
    assert kept(folder, 1) == key
    done = Done(folder)
    newest = done.last([key])
    assert newest is not None
    assert newest.status == "failed"
    assert done.last([key], ["timeout"]) == newest
    assert done.last([key], ["failed"]) is None
    assert done.last([key], saved=True) is None
    kept(folder, 3)
    assert done.last([key], ["failed"]) is None
    done.refresh()
    found = done.last([key], ["failed"])
    assert found is not None
    assert (found.status, found.seconds is not None) == ("ok", True)


def test_what_came_since_is_not_asked_for_again(folder: Path) -> None:
    key = kept(folder, 1, status="failed", reason="it broke")
    done = Done(folder)
    assert done.last([key], ["failed"]) is None
    assert kept(folder, 2, status="failed", reason="again") == key
    done.refresh()
    assert done.last([key], ["failed"]) is not None
    assert Done(folder).last([key], ["failed"]) is None


def test_what_came_since_is_the_newest_even_if_the_clock_jumped_back(folder: Path) -> None:
    key = kept(folder, 9, status="failed", reason="it broke")
    done = Done(folder)
    kept(folder, 1)
    done.refresh()
    newest = done.last([key], ["failed"])
    assert newest is not None
    assert newest.status == "ok"


def test_a_run_that_was_stopped_is_never_done(folder: Path) -> None:
    key = kept(folder, 1, status="interrupted", reason="stopped by the user")
    assert Done(folder).last([key]) is None


def test_copies_count_once_and_other_files_not_at_all(folder: Path) -> None:
    key = kept(folder, 1)
    (record,) = folder.glob("*.json")
    shutil.copy(record, folder / "copy.json")
    (folder / "half.json").write_bytes(record.read_bytes()[:100])
    (folder / "altered.json").write_text(record.read_text().replace('"seed": 0', '"seed": 1'))
    (folder / "other.json").write_text("{}")
    for done in (Done(folder), Done(folder / "none")):
        done.refresh()
        assert [len(each) for each in done.seconds().values()] == [1] * (done.folder == folder)
    done = Done(folder)
    assert done.last([key]) is not None
    assert done.last([str(key_of(made_record(seed=1, environment=WHERE)))]) is None
