"""Running a plan: every record kept, one bad run among good ones, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.planning.runs import plan
from harness.records.store import Store, read_all
from harness.workflows.run import Resume, plan_table, print_plan, print_summary, run_all, run_each
from tests.harness.conftest import made_record

TINY = {"backend": "numpy", "parameter": "length=4", "steps": 4, "threads": 1, "hidden": 3}


def test_runs_are_kept_each_and_one_that_cannot_be_stops_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    specs = plan({**TINY, "variant": "textbook", "device": ["cuda", "cpu"]})
    assert not run_all(specs, store, None, json_lines=True)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["status"] for each in printed] == ["unavailable", "ok"]
    assert sorted(record.id for record in read_all([tmp_path]).records) == sorted(each["id"] for each in printed)


def test_all_well_is_true_and_the_table_comes_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all(plan({**TINY, "variant": "textbook"}), Store(tmp_path), None, json_lines=False)
    assert "textbook" in capsys.readouterr().out


def test_what_is_done_is_skipped_and_one_line_says_how_many_are_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(retry: str | None = None, save: bool = False, **more: Any) -> tuple[str, list[str], bool]:
        specs = plan({**TINY, "device": ["cuda", "cpu"], **more})
        runs = run_each(specs, Store(tmp_path), None, save=save, resume=Resume.asked(True, retry, None))
        return capsys.readouterr().err, [record.status for record in runs.records], runs.well

    assert run() == (f"0 of 2 runs done in {tmp_path}, 2 left\n", ["unavailable", "ok"], False)
    one_not_ok = "(1 of them not ok; --retry runs those again)"
    assert run() == (f"2 of 2 runs done in {tmp_path} {one_not_ok}, 0 left\n", [], False)
    assert run("failed") == (f"2 of 2 runs done in {tmp_path} {one_not_ok}, 0 left\n", [], False)
    assert run("unavailable") == (f"1 of 2 runs done in {tmp_path}, 1 left\n", ["unavailable"], False)
    assert run(device="cpu") == (f"1 of 1 run done in {tmp_path}, 0 left\n", [], True)
    assert run(device="cpu", save=True) == (f"0 of 1 run done in {tmp_path}, 1 left\n", ["ok"], True)


def test_what_says_how_to_resume_needs_resume() -> None:
    assert Resume.asked(False, None, None) is None
    assert Resume.asked(True, "failed, timeout", 0) == Resume(["failed", "timeout"], 0)
    with pytest.raises(UsageError, match=r"^--retry says how --resume goes on; give that, too$"):
        Resume.asked(False, "failed", None)
    with pytest.raises(UsageError, match=r"^--tries says how --resume goes on; give that, too$"):
        Resume.asked(False, None, 0)


def test_a_record_that_cannot_be_kept_is_not_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert not run_all(plan({**TINY, "variant": "textbook"}), Store(tmp_path / "file"), None, json_lines=True)
    assert "cannot write" in capsys.readouterr().err


def test_a_plan_is_printed_run_by_run(capsys: pytest.CaptureFixture[str]) -> None:
    specs = plan({**TINY, "cell": ["lstm", "gru"], "bidirectional": True})
    table = plan_table(specs)
    assert (len(table.rows), table.title) == (2, "2 runs, none started")
    print_plan(specs, json_lines=False)
    assert "1×2" in capsys.readouterr().out
    print_plan(specs, json_lines=True)
    assert [json.loads(line)["model"]["cell"] for line in capsys.readouterr().out.splitlines()] == ["lstm", "gru"]


def test_a_summary_says_why_a_run_is_not_ok(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary([made_record(), made_record(number=1, status="failed", reason="it went wrong")])
    assert "failed: it went wrong" in capsys.readouterr().out


@pytest.mark.usefixtures("plugin")
def test_a_task_that_says_late_that_its_data_is_missing_stops_no_other_run(tmp_path: Path) -> None:
    specs = plan({"task": ["withheld", "echo"], "backend": "madeup", "threads": 1})
    assert not run_all(specs, Store(tmp_path), 60, json_lines=True)
    ended = {record.spec.task: (record.status, record.reason) for record in read_all([tmp_path]).records}
    assert ended == {"withheld": ("unavailable", "the data is missing"), "echo": ("ok", None)}
