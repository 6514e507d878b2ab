"""The commands that read records: ``table``, ``plot``, ``report``, ``show``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Harness
from tests.harness.conftest import RecordFactory

QUICKEST = ("--backend", "numpy", "--task", "adding", "-P", "length=4", "--steps", "20", "--threads", "1")


@pytest.mark.parametrize("command", ["table", "plot", "report"])
def test_reading_commands_say_where_they_found_no_records(harness: Harness, command: str) -> None:
    done = harness(command, "nowhere")
    assert done.returncode == 1
    assert "nowhere: No such file or directory" in done.stderr
    assert "no records in nowhere" in done.stderr


def test_a_table_that_cannot_be_written_is_told_as_a_report_is(
    make_record: RecordFactory, harness: Harness, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text(make_record().model_dump_json())
    done = harness("table", "r.json", "--out", "r.json/x.csv")
    assert (done.returncode, done.stderr) == (2, "harness: cannot write to r.json/x.csv: File exists\n")


def test_from_a_run_to_table_plot_report_and_show(harness: Harness, tmp_path: Path) -> None:
    assert harness("run", *QUICKEST, "--results", "r").returncode == 0
    (tmp_path / "r" / "broken.json").write_text("{")
    table = harness(
        "table", "r", "--columns", "backend,steps,score", "--where", "backend=numpy", "--format", "markdown"
    )
    assert table.returncode == 0, table.stderr
    assert "numpy" in table.stdout
    assert "broken.json" in table.stderr
    assert harness("table", "r", "--columns", "bakend").returncode == 2
    plots = harness("plot", "r", "--out", "p")
    assert plots.returncode == 0, plots.stderr
    assert all((tmp_path / line).stat().st_size > 0 for line in plots.stdout.split())
    report = harness("report", "r", "--out", "o")
    assert report.returncode == 0, report.stderr
    assert any(line.endswith(".html") for line in report.stdout.split())
    shown = harness("show", str(next((tmp_path / "r").glob("2*.json"))))
    assert shown.returncode == 0, shown.stderr
    assert "numpy" in shown.stdout
    missing = harness("show", "nothing.json")
    assert missing.returncode == 1
    assert missing.stderr == "harness: nothing.json: No such file or directory\n"
