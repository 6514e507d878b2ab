"""A speed record as tables: tiers apart, what did not run, both devices side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.presentation import contest_columns, contest_table, report
from harness.presentation.frames import frame
from harness.records.base import Spread
from harness.records.speed import SpeedRecord
from harness.records.store import Found
from tests.conftest import Harness
from tests.harness.conftest import made_contestant, made_speed


def test_the_table_keeps_tiers_apart_and_says_what_did_not_run(contest: tuple[Path, SpeedRecord]) -> None:
    sections = contest_table.tables(contest[1])
    assert [section.title for section in sections] == ["lstm 5, 3×4×2", "lstm 5, 3×8×2"]
    for section in sections:
        assert [row[0] for row in section.texts()] == ["default", "best", "fused"]
        assert [note.text for note in section.notes] == ["madeup raises: failed: RuntimeError: something inside broke"]
    data = frame(contest_columns.COLUMNS.values(), contest_columns.entries([contest[1]]))
    assert len(data) == 8
    assert set(contest_columns.DEFAULT) <= set(data.columns)


def test_the_table_fits_120_columns(contest: tuple[Path, SpeedRecord]) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(contest_table.terminal(contest[1]))
    console.file.close()
    text = console.export_text()
    assert "…" not in text
    assert "GEMM" in text
    assert "floor" in text


def test_runs_and_contests_share_a_report_and_a_table(
    contest: tuple[Path, SpeedRecord], make_record: Any, tmp_path: Path, harness: Harness
) -> None:
    report.write(Found([make_record()], speeds=[contest[1]]), tmp_path / "report")
    for page in ("report.md", "report.html"):
        text = (tmp_path / "report" / page).read_text(encoding="utf-8")
        assert "2 speed contests in 1 call" in text
        assert "madeup raises: failed" in text
        assert contest[1].id in text
    (tmp_path / "run.json").write_text(make_record().model_dump_json())
    both = harness("table", str(contest[0]), "run.json")
    assert "adding" in both.stdout
    assert "lstm 5, 3×8×2" in both.stdout
    csv = harness("table", str(contest[0]), "--format", "csv").stdout
    assert csv.splitlines()[0].startswith("id,created,shape,backend,variant,tier")
    shown = harness("show", str(next(contest[0].glob("*.json"))))
    assert "lstm 5, 3×8×2" in shown.stdout


def test_a_contestant_whose_rounds_lie_far_apart_is_marked_and_the_machine_is_named() -> None:
    noisy, quiet = made_contestant("torch", 2.0), made_contestant("jax", 1.0)
    assert noisy.figures is not None
    step_ms = Spread(median=1187, p10=317, p90=1882, blocks=8)
    noisy = noisy.model_copy(update={"figures": noisy.figures.model_copy(update={"step_ms": step_ms})})
    text = contest_table.text(made_speed([noisy, quiet]))
    assert [line.split().count("spread") for line in text.splitlines() if "best-one" in line] == [0, 1]
    assert "took more than twice as long" in text
    assert "Measured 2026-01-02 03:04 UTC on Made-up CPU, 2 logical CPUs; Linux, Python 3.11.9." in text
    assert "noise" not in contest_table.text(made_speed([quiet]))
