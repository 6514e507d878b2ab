"""What the columns of contestants hold, and which a contest shows. Made-up figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.presentation import contest_table, report
from harness.presentation.contest_columns import COLUMNS, DEFAULT, entries
from harness.records.run import Record
from harness.records.speed import Row, SpeedRecord
from harness.records.store import Found
from tests.harness.conftest import made_contestant, made_record, made_speed

GPU = {"name": "Made-up GPU", "driver_version": "580", "power.limit": "700.00 W"}


def gpu_row(**more: Any) -> Row:
    row = made_contestant("torch", 2.0, device="cuda")
    return row.model_copy(update={"device_peak_bytes": 3 * 2**30, **more})


def test_memory_of_the_device_and_the_copys_share_have_columns_on_a_gpu_alone() -> None:
    (section,) = contest_table.tables(made_speed([gpu_row()]))
    shown = dict(zip(section.headings, section.texts()[0], strict=True))
    assert shown["device MiB"] == "3,072"
    assert shown["% copy"] == "5"  # a million bytes in 2 ms, of 10 GB/s
    (section,) = contest_table.tables(made_speed([made_contestant("torch", 2.0)]))
    assert {"device MiB", "% copy"}.isdisjoint(section.headings)


def pages(folder: Path, records: list[Record], speeds: list[SpeedRecord]) -> list[str]:
    return [page.read_text(encoding="utf-8") for page in report.write(Found(records, speeds=speeds), folder)[:2]]


def test_the_report_says_what_a_gpu_took_and_which_it_was(tmp_path: Path) -> None:
    took = {"energy_j": 1234.0, "joules_per_1000_sequences": 5.25, "device_idle_share": 0.72}
    records = [made_record(), made_record(device="cuda", environment={"gpu": GPU}, metrics=took, number=1)]
    speed = made_speed([gpu_row()])
    speed = speed.model_copy(update={"environment": speed.environment.model_copy(update={"gpu": GPU})})
    markdown, html = pages(tmp_path, records, [speed])
    assert "| J | J per 1000 seq | idle % |" in markdown
    assert "| 1,234 | 5.25 | 72, launch-bound |" in markdown
    for text in ("1,234", "5.25", "72, launch-bound"):
        assert f">{text}<" in html
    for page in (markdown, html):
        assert page.count("Made-up GPU, driver 580, power limit 700.00 W") == 2  # of the runs, of the contest
        assert "is what the whole GPU took" in page


def test_a_report_of_the_cpu_says_nothing_of_energy(tmp_path: Path) -> None:
    for page in pages(tmp_path, [made_record()], [made_speed([made_contestant("torch", 2.0)])]):
        assert "J per 1000 seq" not in page
        assert "GPU" not in page


def test_every_column_says_what_it_holds_in_one_line() -> None:
    assert all(column.about and "\n" not in column.about for column in COLUMNS.values())
    assert set(DEFAULT) <= set(COLUMNS)


def test_the_reference_is_1_by_definition_and_one_that_was_added_is_marked() -> None:
    row = made_contestant("torch", 2.0, "default").model_copy(update={"added": True, "variant": "nn"})
    record = made_speed([row, made_contestant("torch", 1.0)])
    reference, other = entries([record])
    texts = {name: COLUMNS[name].cell(reference).text for name in ("variant", "ratio", "ratio_interval")}
    assert texts == {"variant": "nn*", "ratio": "1", "ratio_interval": ""}
    assert COLUMNS["variant"].cell(other).text == "best-one"
    assert COLUMNS["gflops"].get(other) == 100.0


def test_a_contestant_without_figures_has_no_values_but_its_shape() -> None:
    row = made_contestant("torch", 2.0)
    failed = row.model_copy(update={"status": "failed", "figures": None, "ready": None, "host_peak_bytes": None})
    (entry,) = entries([made_speed([failed])])
    assert [COLUMNS[name].get(entry) for name in ("step_ms", "ratio", "growth_mib", "import_s")] == [None] * 4
    assert COLUMNS["hidden"].get(entry) == 5
