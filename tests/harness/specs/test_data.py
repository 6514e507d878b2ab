"""Where data sets are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.specs.data import look_for_data_in


def test_a_folder_is_where_this_process_and_its_workers_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_DATA", "before")
    look_for_data_in(None)
    assert os.environ["HARNESS_DATA"] == "before"
    look_for_data_in(tmp_path)
    assert Path(os.environ["HARNESS_DATA"]) == tmp_path.resolve()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--data takes a folder"):
        look_for_data_in(tmp_path / "file")
