"""``harness pack``, and the other commands on what it makes."""

from __future__ import annotations

from pathlib import Path

from harness.records.store import Store
from tests.conftest import Harness
from tests.harness.conftest import made_record


def test_a_pack_and_what_reads_it(harness: Harness, tmp_path: Path) -> None:
    for number in range(3):
        Store(tmp_path / "runs").folder.mkdir(exist_ok=True)
        Store(tmp_path / "runs").write(made_record(number=number, seed=number))
    packed = harness("pack", "runs", "--out", "all.records.zip")
    assert (packed.returncode, packed.stdout) == (0, "all.records.zip: 3 records\n")
    tables = [harness("table", place, "--summary") for place in ("runs", "all.records.zip")]
    assert tables[0].stdout == tables[1].stdout != ""
    shown = harness("show", f"all.records.zip/{made_record(number=1, seed=1).id}.json")
    assert (shown.returncode, shown.stderr) == (0, "")
    verified = harness("verify", "all.records.zip", "--within", "0")
    assert verified.returncode == 1
    assert "3 records: 3 cannot run" in verified.stdout
    assert harness("pack", "--unpack", "all.records.zip").stdout == "all: 3 records\n"
    (tmp_path / "all.records.zip").write_bytes(b"PK")
    unpacking = ("pack", "--unpack", "all.records.zip", "--out", "x")
    for words in (("table", "all.records.zip"), ("verify", "all.records.zip"), unpacking):
        done = harness(*words)
        assert done.returncode in (1, 2)
        assert "all.records.zip: not a pack of records, or one that was cut short" in done.stderr
