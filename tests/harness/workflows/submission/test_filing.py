"""Filing: of one machine, all or nothing, never over what is there, with the file of the study."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.submission import specs_of
from harness.errors import UsageError
from harness.machine.history import History
from harness.workflows.submission.filing import submit
from tests.harness.workflows.submission.conftest import MACHINE, STUDY, Document, written


def test_the_file_of_a_study_that_the_project_does_not_have_goes_with_its_records(
    tmp_path: Path, documents: list[Document], history: History
) -> None:
    """As ``harness study`` leaves them: the file, and the folder of its records beside it."""
    (tmp_path / "mine.toml").write_text(STUDY)
    filed = submit([written(tmp_path / "mine", documents)], tmp_path / "to", specs_of, history)
    assert not filed.refused
    assert (filed.folder, len(filed.new)) == (tmp_path / "to" / MACHINE, 4)
    assert (filed.folder / "mine.toml").read_text() == STUDY
    assert not list(filed.folder.glob(".*"))


def test_records_of_two_machines_are_handed_in_apart(
    tmp_path: Path, documents: list[Document], history: History
) -> None:
    documents[2]["environment"]["logical_cpus"] = 64
    with pytest.raises(UsageError, match=r"was made on amd-epyc-64-cpus, .* on amd-epyc-2-cpus; .* one machine at a"):
        submit([written(tmp_path / "mine", documents)], tmp_path / "to", specs_of, history)


def test_a_failure_in_between_leaves_nothing(
    tmp_path: Path, documents: list[Document], history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text(STUDY)
    link, calls = Path.hardlink_to, []

    def full(self: Path, target: Path) -> None:
        calls.append(self)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", full)
    with pytest.raises(UsageError, match="No space left on device; nothing was filed"):
        submit([written(tmp_path / "mine", documents)], tmp_path / "to", specs_of, history)
    assert not list((tmp_path / "to").rglob("*"))
