"""Figures from speed records: what is drawn, and that nothing covers anything."""

from __future__ import annotations

from pathlib import Path

from harness.presentation import contest_figures, contest_table, report
from harness.records.speed import Contest, SpeedRecord
from harness.records.store import Found, read_all
from harness.specs.speed import Changes
from tests.conftest import ROOT
from tests.fixtures.layout import assert_nothing_covers_anything
from tests.harness.conftest import SIZES_OF_BOTH, both_devices


def test_scaling_ratios_and_a_roofline_are_drawn(contest: tuple[Path, SpeedRecord]) -> None:
    names = [drawn.name.partition("-")[0] for drawn in contest_figures.figures([contest[1]])]
    assert names == ["scaling", "ratios", "roofline"]
    for drawn in contest_figures.figures([contest[1]]):
        assert_nothing_covers_anything(drawn)


def test_a_named_shape_at_several_lengths_is_one_curve_and_named_twice(contest: tuple[Path, SpeedRecord]) -> None:
    """Its shortest length and labels followed; in the roofline no name covers another."""
    record = contest[1].model_copy(update={"contests": [_as_braun(found) for found in contest[1].contests]})
    scaling, _, roofline = contest_figures.figures([record])
    assert scaling.name.startswith("scaling-1")
    roofline.figure.draw_without_rendering()
    names = [text for text in roofline.figure.axes[0].texts if text.get_text() == "braun-bi-ctc-long, reduced"]
    boxes = [name.get_window_extent() for name in names]
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])


def _as_braun(contest: Contest) -> Contest:
    """The contest as if it had been held over a shape that has a shortest length."""
    length = contest.rows[0].spec.length
    shorter = {"shortest": length // 2}
    rows = [row.model_copy(update={"spec": row.spec.model_copy(update=shorter)}) for row in contest.rows]
    changed: Changes = {"length": (1000, length), "shortest": (500, length // 2)}
    return Contest(name="braun-bi-ctc-long", changed=changed, rows=rows)


def test_both_devices_are_told_apart_in_table_plots_and_report(tmp_path: Path) -> None:
    record = both_devices(SIZES_OF_BOTH, without=("jax", 512, 512))
    section, *_, gains = contest_table.tables(record)
    assert "float32 on cpu and cuda (Made-up GPU)" in section.about
    assert [row[2] for row in section.texts()] == ["cpu", "cpu", "cuda", "cuda"] * 3
    assert gains.title == "GPU over CPU: lstm hidden, batch×4×2"
    assert gains.texts()[4] == ["128", "64", "2 (2–2)", "2 (2–2)"]
    assert gains.texts()[8] == ["512", "512", "", "64 (64–64)"]
    drawn = {figure.name.partition("-")[0]: figure for figure in contest_figures.figures([record])}
    assert set(drawn) == {"scaling", "ratios", "roofline", "devices"}
    for figure in drawn.values():
        assert_nothing_covers_anything(figure)
    cells = [text.get_text() for axis in drawn["devices"].figure.axes for text in axis.texts]
    assert cells[:9] == ["0.0625", "0.5", "4", "0.25", "2", "16", "1", "8", "–"]
    report.write(Found(speeds=[record]), tmp_path)
    for page in ("report.md", "report.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "GPU over CPU: lstm hidden, batch×4×2" in text
        assert "hidden 128 from batch 64 on" in text
    assert any((tmp_path / "figures").glob("devices-1-*.png"))


def test_published_records_of_the_first_schema_still_read_plot_and_report(tmp_path: Path) -> None:
    found = read_all([ROOT / "results" / "published"])
    assert found.problems == []
    old = [record for record in found.speeds if not any(roof.us_per_step for roof in record.roofs.values())]
    for record in old:
        assert record.roofs["cpu"].gemm_gflops
        assert all("% floor" not in section.headings for section in contest_table.tables(record))
        assert any(drawn.name.startswith("roofline") for drawn in contest_figures.figures([record]))
    report.write(Found(speeds=old), tmp_path)
