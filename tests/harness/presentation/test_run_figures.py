"""Figures: what is drawn, what is named instead, and that nothing covers anything."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from harness.analysis.groups import groups
from harness.presentation import run_figures
from harness.presentation.figure import Drawn, save
from tests.fixtures.layout import assert_nothing_covers_anything


def texts(drawn: Drawn) -> str:
    figure = drawn.figure
    parts = [t.get_text() for t in figure.texts] + [figure.get_supxlabel(), figure.get_suptitle()]
    for legend in figure.legends:
        parts += [legend.get_title().get_text(), *(t.get_text() for t in legend.get_texts())]
    for axis in figure.axes:
        parts += [t.get_text() for t in axis.texts] + [axis.get_title(loc="left"), axis.get_ylabel()]
        parts += [label.get_text() for label in axis.get_yticklabels()]
    return "\n".join(parts)


def test_draw_writes_png_and_svg_of_every_figure(some_records: Any, tmp_path: Any) -> None:
    paths = save(run_figures.figures(some_records), tmp_path / "new")
    names = {path.name for path in paths}
    assert names == {
        f"{stem}{suffix}"
        for stem in (
            "throughput", "memory", "curves-adding-quick-batch-50", "time-adding-quick-batch-50", "curves-copy-quick",
            "time-copy-quick",
        )
        for suffix in (".png", ".svg")
    }  # fmt: skip
    assert all(path.stat().st_size > 5000 for path in paths)


def test_the_same_records_give_the_same_bytes(make_record: Any, tmp_path: Any) -> None:
    records = [make_record(), make_record(backend="jax")]
    first, second = (
        save(run_figures.figures(records), tmp_path / "a"),
        save(run_figures.figures(records), tmp_path / "b"),
    )
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert not any(b"<dc:date>" in path.read_bytes() for path in first)


def test_nothing_covers_anything(some_records: Any) -> None:
    for drawn in run_figures.figures(some_records):
        assert_nothing_covers_anything(drawn)


def test_runs_that_are_not_ok_are_named_in_the_figure(some_records: Any) -> None:
    drawn = {figure.name: figure for figure in run_figures.figures(some_records)}
    for name in ("throughput", "memory", "curves-copy-quick", "time-copy-quick"):
        assert "failed: the loss is not finite after 150 updates" in texts(drawn[name])
    # its group has no other run, so that only the first page can name it
    assert "interrupted: interrupted" in texts(drawn["throughput"])


def test_curves_show_baseline_and_landmarks(some_records: Any) -> None:
    drawn = {figure.name: texts(figure) for figure in run_figures.figures(some_records)}
    assert "always 1 = baseline" in drawn["curves-adding-quick-batch-50"]
    assert "one marker known" in drawn["curves-adding-quick-batch-50"]
    assert "blanks, then chance" in drawn["curves-copy-quick"]


def test_several_seeds_are_a_median_with_a_band(make_record: Any) -> None:
    records = [make_record(seed=seed) for seed in range(3)]
    curves = next(figure for figure in run_figures.figures(records) if figure.name.startswith("curves"))
    axis = curves.figure.axes[0]
    assert len([line for line in axis.lines if len(line.get_xdata()) > 2]) == 1
    assert len(axis.collections) == 1
    assert "least to most" in texts(curves)


def test_device_memory_is_drawn_where_it_was_measured(make_record: Any) -> None:
    record = make_record(device="cuda", metrics={"device_peak_bytes": 512 * 2**20})
    drawn = texts(next(figure for figure in run_figures.figures([record]) if figure.name == "memory"))
    assert "device peak" in drawn
    assert "device 512" in drawn


def test_unmeasured_figures_leave_their_plot_out(make_record: Any) -> None:
    nothing = {"train_sequences_per_second": None, "host_peak_bytes": None}
    names = [figure.name for figure in run_figures.figures([make_record(metrics=nothing)])]
    assert names == ["curves-adding-quick", "time-adding-quick"]


@pytest.mark.parametrize("records", [[], [("failed", "no")]])
def test_without_results_there_are_no_figures(make_record: Any, tmp_path: Any, records: Any) -> None:
    made = [make_record(status=status, reason=reason) for status, reason in records]
    assert save(run_figures.figures(made), tmp_path) == []


def test_any_text_can_be_drawn(make_record: Any, tmp_path: Any) -> None:
    """Dollars, escapes and letters that the font lacks neither fail nor warn."""
    reason = "cost $x_ and \x1b[31m 漢字 \N{PILE OF POO}\n" + "long " * 80
    records = [make_record(backend="a" * 60), make_record(status="failed", reason=reason, backend="third-party")]
    figures = {drawn.name: drawn for drawn in run_figures.figures(records)}
    assert set(figures) == {"throughput", "memory", "curves-adding-quick", "time-adding-quick"}
    paths = save(figures.values(), tmp_path)
    assert all(path.stat().st_size > 5000 for path in paths)
    shown = texts(figures["throughput"])
    assert "cost $x_ and [31m ?? ?" in shown, "letters that the font lacks are question marks"
    assert "\x1b" not in shown


def test_many_groups_are_several_pages(make_record: Any) -> None:
    records = [make_record(hidden=hidden) for hidden in range(1, 9)]
    names = [figure.name for figure in run_figures.figures(records)]
    assert {"throughput-1", "throughput-2", "memory-1", "memory-2"} <= set(names)
    assert len(set(names)) == len(names)


def test_names_of_levels_that_lie_close_are_moved_apart(make_record: Any) -> None:
    levels = {"one": 0.2, "two": 0.201, "three": 0.203, "four": 0.0001}
    record = make_record("copy", metrics={"landmarks": levels})
    curves = next(figure for figure in run_figures.figures([record]) if figure.name.startswith("curves"))
    curves.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in curves.figure.axes[1].texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_of_many_groups_the_largest_are_drawn_or_those_asked_for(
    make_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.presentation.figure.MOST_DRAWN", 2)
    records = [
        make_record(hidden=hidden, seed=seed) for hidden, runs in ((1, 1), (2, 3), (3, 2)) for seed in range(runs)
    ]
    found = groups(records)
    assert [group.differing for group in run_figures.drawn_groups(found)] == ["hidden 2", "hidden 3"]
    assert [group.differing for group in run_figures.drawn_groups(found, ["hidden 1"])] == ["hidden 1"]
    names = [drawn.name for drawn in run_figures.figures(records, ["hidden 1"])]
    assert names == ["throughput", "memory", "curves-adding-quick-hidden-1", "time-adding-quick-hidden-1"]
