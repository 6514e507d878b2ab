"""Contests on a GPU, with a stand-in for the driver and made-up figures; and contestants that get ready at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.errors import UsageError
from harness.planning.contests import plan
from harness.presentation import report, speedtable
from harness.records.run import Record
from harness.records.speed import Row, SpeedRecord
from harness.records.store import Found, Store, read_all
from harness.workflows.speed import Held, Settings, hold_all
from tests.conftest import ROOT, python_path
from tests.harness.conftest import made_contestant, made_record, made_speed

SIZES = {"batch": 3, "length": 4, "features": 2, "hidden": 5}
GPU = {"name": "Made-up GPU", "driver_version": "580", "power.limit": "700.00 W"}


def hold(tmp_path: Path, backend: str, variants: list[str], settings: Settings, device: str = "cpu") -> SpeedRecord:
    contests = plan({"backend": backend, "variant": variants, "device": device, "threads": 1, **SIZES})
    hold_all(contests, settings, Store(tmp_path))
    (record,) = read_all([tmp_path]).speeds
    return record


@pytest.fixture
def driver(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in for the driver, found by this process as by a worker."""
    monkeypatch.setenv("PYTHONPATH", python_path(ROOT / "tests" / "fixtures" / "driver", plugin))
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "fixtures" / "driver"))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield
    sys.modules.pop("pynvml", None)  # the stand-in is of this test alone


@pytest.mark.usefixtures("driver")
def test_the_record_of_a_contest_on_a_gpu_tells_which_and_how_it_was_set(tmp_path: Path) -> None:
    record = hold(tmp_path, "oncuda", ["slow"], Settings(2, 1e-9), "cuda")
    assert [row.status for row in record.contests[0].rows] == ["ok"], record.contests[0].rows[0].reason
    told = record.environment.gpu
    assert (told["name"], told["driver_version"]) == ("NVIDIA Imaginary 40GB", "580.95.05")
    assert (told["power.limit"], told["clocks.sm"]) == ("400.00 W", "1410 MHz")


@pytest.mark.usefixtures("driver")
def test_a_contest_on_the_cpu_tells_of_no_gpu(tmp_path: Path) -> None:
    assert hold(tmp_path, "madeup", ["good"], Settings(1, 1e-9)).environment.gpu == {}


# ---- getting ready at a time


def test_several_get_ready_at_a_time_and_those_that_fail_are_rows(plugin: Path, tmp_path: Path) -> None:
    record = hold(tmp_path, "madeup", ["good", "wrong", "killed", "late", "fused"], Settings(2, 1e-9, starts=3))
    assert {row.variant: row.status for row in record.contests[0].rows} == {
        "good": "ok", "wrong": "failed", "killed": "failed", "late": "failed", "fused": "ok",
    }  # fmt: skip
    assert record.starts == 3
    assert "with up to 3 contestants getting ready at a time" in " ".join(speedtable.legend(record))
    assert not psutil.Process().children(recursive=True)


def test_no_more_get_ready_at_a_time_than_were_asked_for(plugin: Path) -> None:
    """The first never gets ready: who comes after those that may begin beside it has no process."""
    (bout,) = plan({"backend": "hanging", "variant": ["hang", "good", "late"], "threads": 1, **SIZES})
    for starts in (1, 2):
        contest = Held(bout, Settings(1, 1e-9, timeout=4, starts=starts), lambda _: None)
        contest()
        assert [entry.spec.variant for entry in contest.lives] == ["hang", "good", "late"][:starts]
        assert [row.status for row in contest.rows()] == ["timeout"] * 3


def test_one_that_takes_too_long_to_get_ready_is_a_row_and_the_others_go_on(plugin: Path, tmp_path: Path) -> None:
    settings = Settings(2, 1e-9, starts=2, ready_s=6)
    record = hold(tmp_path, "hanging", ["hang", "good", "fused"], settings)
    found = {row.spec.variant: row for row in record.contests[0].rows}
    assert {name: row.status for name, row in found.items()} == {"hang": "timeout", "good": "ok", "fused": "ok"}
    assert found["hang"].reason == "not ready after 6 s (--ready)"
    assert found["hang"].figures is None
    assert len(found["good"].blocks) == 2
    assert not psutil.Process().children(recursive=True)


def test_none_at_a_time_is_refused() -> None:
    with pytest.raises(UsageError, match="--starts must be at least 1, not 0"):
        Settings(starts=0)


# ---- on a page


def gpu_row(**more: Any) -> Row:
    row = made_contestant("torch", 2.0, device="cuda")
    return row.model_copy(update={"device_peak_bytes": 3 * 2**30, **more})


def test_memory_of_the_device_and_the_copys_share_have_columns_on_a_gpu_alone() -> None:
    (section,) = speedtable.sections(made_speed([gpu_row()]))
    shown = dict(zip([heading for heading, _ in section.headings], section.rows[0], strict=True))
    assert shown["device MiB"] == "3,072"
    assert shown["% copy"] == "5"  # a million bytes in 2 ms, of 10 GB/s
    (section,) = speedtable.sections(made_speed([made_contestant("torch", 2.0)]))
    assert {"device MiB", "% copy"}.isdisjoint(heading for heading, _ in section.headings)


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


# ---- parity, stopped


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_parity_that_is_stopped_tells_what_it_has(tmp_path: Path) -> None:
    """SIGTERM, as a session's limit sends it, after the first row of many."""
    words = ["parity", "--backend", "numpy", "--task", "copy", "--cell", "all", "--updates", "3", "--json"]
    command = subprocess.Popen(
        [sys.executable, "-m", "harness", *words], cwd=tmp_path, stdout=subprocess.PIPE, env=dict(os.environ), text=True
    )
    assert command.stdout is not None
    first = command.stdout.readline()
    command.send_signal(signal.SIGTERM)
    rest, _ = command.communicate(timeout=60)
    assert '"agrees": true' in first
    assert '"failed": "stopped by the user"' in rest.splitlines()[-1]
    assert command.returncode == 1
    time.sleep(0.1)
    assert not psutil.Process().children(recursive=True)
