"""The tables of how cost grows, from made-up contests."""

from __future__ import annotations

from pathlib import Path

from harness.presentation import contest_figures, contest_table, report, scaling_table
from harness.records.speed import SpeedRecord
from harness.records.store import Found
from tests.fixtures.layout import assert_nothing_covers_anything
from tests.harness.analysis.test_scaling import slower
from tests.harness.conftest import grown, made_scaling


def bent() -> SpeedRecord:
    """A stock layer that lies on a line, and ``auto``, which changes its variant and bends."""
    auto = grown("torch", fixed=0.5, rate=80.0, asked="auto")
    auto[2:] = [slower(row, 3.0).model_copy(update={"variant": "parts"}) for row in auto[2:]]
    return made_scaling(auto, grown("torch", "default", rate=50.0))


def test_a_line_has_its_figures_and_what_is_none_a_sentence() -> None:
    (table,) = scaling_table.tables(bent())
    assert table.title == "Cost against length: lstm 5, 3×length×2"
    assert table.about == "ms = fixed + work / rate, over length 16, 64, 256 and 1,024"
    assert table.headings == ["backend", "variant", "fixed ms", "rate GFLOP/s", "% GEMM", "µs per step", "off by %"]
    stock, auto = table.texts()
    assert stock[:-1] == ["torch", "default-one", "2 (2–2)", "50 (50–50)", "50", "200 (200–200)"]
    assert auto[:-1] == ["torch", "best-one, from 256 parts", "", "", "", ""]
    (note,) = table.notes
    assert note.text.startswith("torch auto: no straight line: the best one is ")
    assert note.text.endswith(("measured at length 64", "measured at length 16", "measured at length 256"))


def test_threads_have_a_table_of_what_they_gain_and_no_line() -> None:
    one, two = grown(name="threads", sizes=(1, 2))
    record = made_scaling([one, slower(two, 0.5)])
    (table,) = scaling_table.tables(record)
    assert table.headings == ["backend", "variant", "× with 2"]
    assert table.texts()[0][2].startswith("1.8")
    assert scaling_table.legend(record) == []


def test_two_sizes_have_a_figure_and_no_table() -> None:
    record = made_scaling(grown(sizes=(10, 20)))
    assert list(scaling_table.tables(record)) == []
    assert [drawn.name.partition("-")[0] for drawn in contest_figures.figures([record])] == ["scaling", "roofline"]


def test_the_figure_has_the_limits_and_nothing_covers_anything() -> None:
    scaling = next(iter(contest_figures.figures([bent()])))
    (key,) = scaling.figure.legends
    words = [text.get_text() for text in key.get_texts()]
    assert words == [
        "torch default-one (default)", "torch auto (best)", "matrix products alone", "fewest bytes alone",
        "dependent steps alone",
    ]  # fmt: skip
    assert "matrix products at 100 GFLOP/s" in scaling.figure.get_supxlabel()
    assert_nothing_covers_anything(scaling)


def test_a_record_as_text_and_a_report_have_them(tmp_path: Path) -> None:
    text = contest_table.text(bent())
    assert "Cost against length" in text
    assert "no straight line" in text
    assert "fixed: what no product explains" in text
    report.write(Found(speeds=[bent()]), tmp_path)
    for page in ("report.md", "report.html"):
        written = (tmp_path / page).read_text(encoding="utf-8")
        assert "Cost against length" in written
        assert "no straight line" in written
