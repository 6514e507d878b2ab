"""``harness speed`` at work: its workers, what becomes of them, and the command as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from harness.analysis.roofline import roofs_of
from harness.planning.contests import plan
from harness.records.store import read_all
from harness.worker.contestant import GATE_LENGTH
from harness.workflows.speed import Settings, hold_all
from tests.conftest import ROOT, Harness, python_path
from tests.fixtures.contests import SHORT, SIZES, TINY, NoStore, held, recorded, rows
from tests.workers import started_here


def test_one_that_dies_in_its_second_turn_is_a_row_and_the_others_go_on(plugin: Path) -> None:
    record = held(["late", "good"])
    found = rows(record)
    assert set(record.environment.plugins) == {"backend madeup"}
    assert found["good"].status == "ok", found["good"].reason
    assert len(found["good"].blocks) == 4
    late = found["late"]
    assert (late.status, late.reason) == ("failed", "the worker exited with status 3 before the run was done")
    assert [block.round for block in late.blocks] == [0]
    assert late.figures is None
    assert not started_here()


def test_what_goes_wrong_before_the_first_turn_is_a_row_too(plugin: Path) -> None:
    found = rows(held(["wrong", "raises", "recompiles", "diverges", "killed"]))
    assert {name: row.status for name, row in found.items() if name != "good"} == dict.fromkeys(
        ("wrong", "raises", "recompiles", "diverges", "killed"), "failed"
    )
    assert "did not pass the gate" in (found["wrong"].reason or "")
    assert "something inside broke" in (found["raises"].log_tail or "")
    assert "compiled again in the steady state" in (found["recompiles"].reason or "")
    assert "the loss is not finite" in (found["diverges"].reason or "")
    assert "SIGKILL" in (found["killed"].reason or "")
    assert found["good"].added


def test_a_fused_variant_is_handed_whole_chunks(plugin: Path) -> None:
    found = rows(held(["fused"], chunk=4))
    fused = found["fused"]
    assert (fused.status, fused.tier) == ("ok", "fused")
    assert {block.steps for block in fused.blocks} == {4}
    assert fused.ready is not None
    assert fused.ready.first_updates == 4
    assert fused.figures is not None
    assert fused.figures.ratio is not None
    assert fused.figures.ratio.pairs == 4


def test_the_gate_of_long_sequences_sees_shorter_ones_and_says_so(plugin: Path) -> None:
    ctc = {"loss": "ctc", "outputs": 3, "labels": 20, "shortest": 40, "readout": "every"}
    contests = plan({"backend": "madeup", "batch": 3, "length": 80, "hidden": 5, **ctc})
    record, _ = hold_all(contests, Settings(1, 1e-9), NoStore())
    row = rows(record)["good"]
    assert row.status == "ok", row.reason
    assert row.gate is not None
    assert row.gate.length == GATE_LENGTH < row.spec.length


def test_a_contest_past_its_time_is_stopped_and_says_so(plugin: Path) -> None:
    contests = plan({"backend": "hanging", "variant": "hang", "batch": 3, "hidden": 5, "threads": 1})
    record, well = hold_all(contests, Settings(2, 1e-9, timeout=4), NoStore())
    assert not well
    assert rows(record)["hang"].status == "timeout"
    assert not started_here()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_stopping_the_command_keeps_and_prints_what_there_is(tmp_path: Path) -> None:
    words = ["speed", "--backend", "numpy", *TINY, "--rounds", "5000", "--results", str(tmp_path)]
    command = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ), start_new_session=True,
    )  # fmt: skip
    workers = _wait_for_contestant(command.pid)
    command.send_signal(signal.SIGINT)
    stdout, stderr = command.communicate(timeout=30)
    assert command.returncode == 1, stderr
    assert b"interrupted: stopped by the user" in stdout
    (record,) = read_all([tmp_path]).speeds
    assert record.status == "interrupted"
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)


def _wait_for_contestant(parent: int) -> list[psutil.Process]:
    """The worker once it is a contestant: those that only tell what there is are not pinned."""
    for _ in range(600):
        workers = psutil.Process(parent).children(recursive=True)
        if workers and len(workers[0].cpu_affinity()) == 1 and "numpy" in str(workers[0].memory_maps()):
            return workers
        time.sleep(0.05)
    raise AssertionError("no contestant started")


CTC = ("--shape", "braun-bi-ctc-long", "--layers", "1", "--labels", "2")


@pytest.mark.parametrize(
    ("backend", "variant", "words"),
    [
        ("numpy", "hoisted", CTC),
        ("torch", "nn", CTC),
        ("tensorflow", "keras", ("--shortest", "2")),
        ("jax", "scan", ()),
    ],
)
def test_a_contest_of_each_backend_ends_with_a_table_plots_and_a_record(
    harness: Harness, tmp_path: Path, backend: str, variant: str, words: tuple[str, ...]
) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = harness("speed", "--backend", backend, "--variant", variant, *words, *TINY, *SHORT, "--results", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert backend in done.stdout
    assert "GFLOP/s in a large matrix product" in done.stdout
    assert ("ctc of 2 labels · lengths 2 to 4" in done.stdout) == (words is CTC)
    (record,) = read_all([tmp_path / "out"]).speeds
    assert ("labels" in record.contests[0].changed) == (words is CTC)
    for row in record.contests[0].rows:
        assert row.status == "ok", row.reason
        assert row.threads == 1
        assert row.flushes_denormals is True
        assert row.executed
        assert row.gate is not None
        assert len(row.blocks) == 4
        assert row.figures is not None
        assert row.figures.gemm_share is not None
        assert row.figures.floor_share is not None
        assert row.figures.floor_share == row.figures.floor_ms / row.figures.step_ms.median
        assert row.ready is not None
        gb_per_s = row.ready.bytes_per_step / row.figures.step_ms.median / 1e6
        roof = record.roofs["cpu"].copy_gb_per_s
        assert row.figures.copy_share == pytest.approx(gb_per_s / roof)
        # the kernel counts pages in batches per thread: two readings differ by a few hundred KiB
        assert (row.host_peak_bytes or 0) >= (row.ready.host_init_bytes or 0) - 2**20
    assert any(row.limits for row in record.contests[0].rows)
    assert any((tmp_path / "out" / "plots").glob("roofline-*.svg"))


def test_a_gpu_that_is_not_there_is_rows_with_the_reason(harness: Harness, tmp_path: Path) -> None:
    words = ["--backend", "numpy", "--variant", "textbook", "--device", "cpu,cuda", *TINY, *SHORT, "--results", "out"]
    done = harness("speed", *words)
    if done.returncode == 0:
        pytest.skip("this machine has a CUDA device and CuPy")
    assert done.returncode == 1
    assert "numpy textbook (cuda): unavailable: " in done.stdout
    (record,) = read_all([tmp_path / "out"]).speeds
    assert list(record.roofs) == ["cpu"]
    cpu, cuda = record.contests[0].rows
    assert (cpu.spec.device, cpu.status, cuda.spec.device, cuda.status) == ("cpu", "ok", "cuda", "unavailable")
    assert cpu.figures is not None
    assert cpu.figures.ratio is not None


# ---- on a GPU, with a stand-in for the driver


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
    record = recorded(tmp_path, "oncuda", ["slow"], Settings(2, 1e-9), "cuda")
    assert [row.status for row in record.contests[0].rows] == ["ok"], record.contests[0].rows[0].reason
    told = record.environment.gpu
    assert (told["name"], told["driver_version"]) == ("NVIDIA Imaginary 40GB", "580.95.05")
    assert (told["power.limit"], told["clocks.sm"]) == ("400.00 W", "1410 MHz")


@pytest.mark.usefixtures("driver")
def test_a_contest_on_the_cpu_tells_of_no_gpu(tmp_path: Path) -> None:
    assert recorded(tmp_path, "madeup", ["good"], Settings(1, 1e-9)).environment.gpu == {}


def test_three_lengths_are_a_curve_and_a_line(harness: Harness, tmp_path: Path) -> None:
    """Exit status 0 says that all went well, whether or not so few rounds lie on a line."""
    words = ("--backend", "numpy", "--variant", "default", *TINY, "--length", "8", "--length", "16")
    done = harness("speed", *words, "--rounds", "3", "--block", "0.001", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Cost against length: lstm 5, 3×length×2" in done.stdout
    assert "ms = fixed + work / rate, over length 4, 8 and 16" in done.stdout
    assert list(tmp_path.glob("plots/scaling-1-*.png"))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one CPU")
def test_shares_are_of_what_the_machine_gives_with_as_many_threads(plugin: Path) -> None:
    contests = plan({"backend": "madeup", "variant": "good", "threads": [1, 2], **SIZES})
    record, _ = hold_all(contests, Settings(1, 1e-9), NoStore())
    for contest in record.contests:
        (row,) = contest.rows
        roof = roofs_of([contest])["cpu"].gemm_gflops
        assert row.threads == row.spec.threads
        assert row.figures is not None
        assert roof is not None
        assert row.figures.gemm_share == pytest.approx(row.figures.gflops / roof)
    assert "OMP_NUM_THREADS" not in record.environment.variables, "it was not the same for all"
