"""The record of ``harness speed``, and what is shown of it: tables, plots, both devices side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from harness.analysis import devices
from harness.presentation import report, speedplots, speedtable
from harness.records.schema import json_schema
from harness.records.speed import Contest, SpeedRecord
from harness.records.store import Found, read, read_all
from harness.specs.speed import Changes
from tests.conftest import ROOT, Harness
from tests.fixtures.contests import SHORT, TINY
from tests.harness.conftest import made_contestant, made_speed


@pytest.fixture(scope="module")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SpeedRecord]:
    """A contest over two lengths, with one that cannot run: in a folder, and as a record."""
    folder = tmp_path_factory.mktemp("speed")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "speed", "--backend", "madeup", "--variant", "good,chatty,fused,raises",
         *TINY, *SHORT, "--length", "4,8", "--results", str(folder), "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "fixtures" / "plugin")])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    (folder / "told.json").write_text(done.stdout)
    told = read(folder / "told.json")
    (folder / "told.json").unlink()
    assert isinstance(told, SpeedRecord)
    return folder, told


def test_the_record_is_kept_and_read_back(contest: tuple[Path, SpeedRecord], make_record: Any) -> None:
    folder, record = contest
    found = read_all([folder])
    assert found.problems == []
    assert found.speeds == [record]
    assert record.status == "failed"


def test_the_published_schema_is_the_one_in_force(contest: tuple[Path, SpeedRecord]) -> None:
    published = json.loads((ROOT / "harness" / "records" / "schema" / "speed-2.json").read_text())
    assert published == json_schema("speed"), (
        "regenerate with python -m harness.records.schema speed >  harness/records/schema/speed-2.json"
    )
    jsonschema.validate(json.loads(contest[1].model_dump_json()), published)


def test_anyone_can_compute_the_figures_again(contest: tuple[Path, SpeedRecord]) -> None:
    for found in contest[1].contests:
        by_name = {row.variant: row for row in found.rows}
        fused, good = by_name["fused"], by_name["good"]
        assert fused.figures is not None
        assert fused.figures.ratio is not None
        assert fused.ready is not None
        updates = [block.seconds / block.steps for block in fused.blocks]
        pairs = [theirs.seconds / theirs.steps / ours for theirs, ours in zip(good.blocks, updates, strict=True)]
        assert fused.figures.step_ms.median == pytest.approx(1e3 * np.median(updates))
        assert fused.figures.ratio.median == pytest.approx(np.median(pairs))
        us = contest[1].roofs["cpu"].us_per_step["madeup"]
        readings = [us for row in found.rows if row.limits for us in row.limits.us_per_step]
        assert us <= min(readings, default=us)
        assert fused.figures.floor_ms == pytest.approx(us * 2 * fused.spec.length / 1e3)
        assert fused.figures.gflops == pytest.approx(fused.ready.flops_per_step / np.median(updates) / 1e9)


def test_the_table_keeps_tiers_apart_and_says_what_did_not_run(contest: tuple[Path, SpeedRecord]) -> None:
    sections = speedtable.sections(contest[1])
    assert [section.title for section in sections] == ["lstm 5, 3×4×2", "lstm 5, 3×8×2"]
    for section in sections:
        assert [row[0] for row in section.rows] == ["default", "best", "fused"]
        assert section.notes == ["madeup raises: failed: RuntimeError: something inside broke"]
    frame = speedtable.frame([contest[1]])
    assert len(frame) == 8
    assert set(speedtable.DEFAULT_COLUMNS) <= set(frame.columns)


def test_the_table_fits_120_columns(contest: tuple[Path, SpeedRecord]) -> None:
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(speedtable.tables(contest[1]))
    console.file.close()
    text = console.export_text()
    assert "…" not in text
    assert "GEMM" in text
    assert "floor" in text


def test_scaling_ratios_and_a_roofline_are_drawn(contest: tuple[Path, SpeedRecord]) -> None:
    names = [drawn.name.partition("-")[0] for drawn in speedplots.figures([contest[1]])]
    assert names == ["scaling", "ratios", "roofline"]
    for drawn in speedplots.figures([contest[1]]):
        drawn.figure.draw_without_rendering()
        boxes = [axis.get_tightbbox() for axis in drawn.figure.axes]
        boxes += [legend.get_window_extent() for legend in drawn.figure.legends]
        assert all(box.x1 <= drawn.figure.bbox.x1 + 2 for box in boxes), drawn.name


def test_a_named_shape_at_several_lengths_is_one_curve_and_named_twice(contest: tuple[Path, SpeedRecord]) -> None:
    """Its shortest length and labels followed; in the roofline no name covers another."""
    record = contest[1].model_copy(update={"contests": [_as_braun(found) for found in contest[1].contests]})
    scaling, _, roofline = speedplots.figures([record])
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


# -- devices side by side: made-up records, no measurement ----------------------------------------
def both_devices(sizes: list[tuple[int, int]], without: tuple[str, int, int] | None = None) -> SpeedRecord:
    """Test data: contests on both devices, hidden by batch. A GPU takes 4 ms, a CPU hidden x batch / 1024 ms."""
    found = []
    for hidden, batch in sizes:
        contestants = [
            made_contestant(backend, ms * slower, tier, device=device, hidden=hidden, batch=batch)
            for backend in ("torch", "jax")
            for device, ms in (("cpu", hidden * batch / 1024), ("cuda", 4.0))
            for tier, slower in (("default", 2), ("best", 1), ("fused", 0.5))
            if (backend, hidden, batch) != without or device == "cpu"
        ]
        found.append(contestants)
    return made_speed(*found)


SIZES_OF_BOTH = [(hidden, batch) for hidden in (32, 128, 512) for batch in (8, 64, 512)]


def test_where_the_gpu_wins_and_by_how_much() -> None:
    """By hand: at hidden 128 and batch 64 the CPU takes 8 ms, the GPU 4; fused variants do not count."""
    (grid,) = devices.grids(both_devices(SIZES_OF_BOTH, without=("jax", 512, 512)))
    assert (grid.backends, grid.hiddens, grid.batches) == (["jax", "torch"], [32, 128, 512], [8, 64, 512])
    assert {key[1:]: gain.median for key, gain in grid.gains.items() if key[0] == "torch"} == {
        (hidden, batch): pytest.approx(hidden * batch / 4096) for hidden, batch in SIZES_OF_BOTH
    }
    assert ("jax", 512, 512) not in grid.gains
    assert list(grid.wins())[1] == (
        "torch: the GPU wins at hidden 32 from batch 512 on, hidden 128 from batch 64 on, hidden 512 from batch 64 on"
    )
    assert "hidden 32 at no batch up to 64" in next(devices.grids(both_devices([(32, 8), (32, 64)]))[0].wins())


def test_one_size_or_one_device_makes_no_grid() -> None:
    assert devices.grids(both_devices([(32, 8)])) == []
    assert devices.grids(made_speed(*([made_contestant("torch", 1.0, batch=batch)] for batch in (1, 2)))) == []


def test_both_devices_are_told_apart_in_table_plots_and_report(tmp_path: Path) -> None:
    record = both_devices(SIZES_OF_BOTH, without=("jax", 512, 512))
    section, *_, gains = speedtable.sections(record)
    assert "float32 on cpu and cuda (Made-up GPU)" in section.about
    assert [row[2] for row in section.rows] == ["cpu", "cpu", "cuda", "cuda"] * 3
    assert gains.title == "GPU over CPU: lstm hidden, batch×4×2"
    assert gains.rows[4] == ["128", "64", "2 (2–2)", "2 (2–2)"]
    assert gains.rows[8] == ["512", "512", "", "64 (64–64)"]
    drawn = {figure.name.partition("-")[0]: figure for figure in speedplots.figures([record])}
    assert set(drawn) == {"scaling", "ratios", "roofline", "devices"}
    for figure in drawn.values():
        figure.figure.draw_without_rendering()
        boxes = [legend.get_window_extent() for legend in figure.figure.legends]
        assert all(box.x1 <= figure.figure.bbox.x1 + 2 for box in boxes), figure.name
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
        assert all("% floor" not in dict(section.headings) for section in speedtable.sections(record))
        assert any(drawn.name.startswith("roofline") for drawn in speedplots.figures([record]))
    report.write(Found(speeds=old), tmp_path)
