"""The folder of the site: written whole, only over a site of ours, and read by no command as records."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.presentation import site as sites
from harness.presentation.folders import read_all
from harness.presentation.site.charts import library
from harness.presentation.site.frame import compact, slug
from harness.records.store import Found, read, sealed
from tests.conftest import Harness


def test_the_command_writes_a_site_and_says_where(harness: Harness, filed: Path, tmp_path: Path) -> None:
    done = harness("site", str(filed), "--out", "out", "--title", "Ours & theirs", "--no-figures")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out/index.html\n", "")
    assert "<h1>Ours &amp; theirs</h1>" in (tmp_path / "out/index.html").read_text()
    assert harness("site", str(filed), "--out", "out", "--no-figures").returncode == 0, "one made before is replaced"
    assert [path.name for path in tmp_path.iterdir() if path.name != "datasets"] == ["out"], "nothing beside it"


def test_a_folder_with_something_else_in_it_is_left_alone(harness: Harness, filed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    done = harness("site", str(filed), "--out", "mine")
    assert done.returncode == 2
    why = "a folder with other things in it; name a new folder, an empty one, or a site made before"
    assert done.stderr == f"harness: --out mine: {why}\n"
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_what_was_there_stays_where_a_new_one_cannot_be_made(
    filed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites.write(read_all([filed]), tmp_path / "out", drawn=False)
    before = sorted((tmp_path / "out").rglob("*"))

    def broken(site: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(sites.records, "write", broken)
    with pytest.raises(UsageError, match="no"):
        sites.write(read_all([filed]), tmp_path / "out")
    assert sorted((tmp_path / "out").rglob("*")) == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_each_record_is_there_byte_for_byte_under_its_digest(site: Path, filed: Path) -> None:
    for path in filed.glob("*.json"):
        _, seal = sealed(path)
        copy = site / "records" / f"{seal}.json"
        assert copy.read_bytes() == path.read_bytes()
        assert read(copy).digest == seal
        assert seal in copy.with_suffix(".html").read_text()


def test_copies_in_a_site_are_no_records_of_a_folder(site: Path, filed: Path) -> None:
    whole: Found = read_all([filed, site.parent])
    assert len(whole.records) == len(read_all([filed]).records)
    assert read_all([site.parent]).records == []
    assert whole.problems == []


def test_data_for_scripts_ends_no_script() -> None:
    value = {"a": "</script><!--", "b": "\u2028&"}
    text = compact(value)
    assert json.loads(text) == value
    assert not set("<>&\u2028") & set(text)


def test_slugs_are_parts_of_addresses() -> None:
    assert slug("AMD EPYC, 2 logical") == "amd-epyc-2-logical"
    assert slug("../..") == "unnamed"
    assert slug("a", {"a": 1, "a-2": 1}) == "a-3"


def test_without_the_library_of_charts_one_line_says_what_to_install(
    filed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    library.cache_clear()
    with pytest.raises(UsageError, match=r"pip install 'rnn-harness\[site\]'"):
        sites.write(read_all([filed]), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
