"""The bench's scripts run from end to end: NumPy alone, tiny shapes. What they print here means nothing."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from backends.base import Tier
from backends.job import Device
from backends.numpy.native_library import why_no_compiler
from harness.planning.contests import plan
from harness.records.base import Spread
from harness.records.speed import Contest, Figures, Ready, Timed
from harness.records.speed import Row as Contestant
from harness.records.store import read_all
from harness.specs.base import Model
from harness.specs.shapes import SHAPES, Shape
from harness.specs.speed import SpeedSpec
from tests.bench import folders

BENCH = Path(__file__).resolve().parent
TINY = ("--backend", "numpy", "--shape", "2x3x2x4", "--rounds", "3", "--block", "0.001")


def rows_of(tmp_path: Path, script: str, *words: str) -> list[dict[str, Any]]:
    """What the script keeps as JSON, having printed a table of as many lines."""
    file = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *words, "--json", str(file)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(file.read_text())
    assert len(done.stdout.splitlines()) == 2 + len(found), "a heading, a rule, and a line each"
    return found


def test_the_records_of_the_bench_of_folders_are_records(tmp_path: Path) -> None:
    folders.write(tmp_path, folders.documents(9))
    found = read_all([tmp_path])
    assert (len(found.records), found.problems) == (9, [])
    assert [record.status for record in found.records] == ["ok"] * 7 + ["failed", "ok"]


@pytest.mark.parametrize(
    ("measure", "wanted", "of"), [("textbook", 3, "all six shapes"), ("predict", 2.5, "each shape")]
)
def test_a_target_has_a_verdict_at_a_shape_and_none_of_the_mean(
    measure: str, wanted: float, of: str, tmp_path: Path
) -> None:
    at_shape, mean = rows_of(tmp_path, "targets.py", "--only", measure, *TINY)
    assert at_shape["reason"] is None
    assert at_shape["count"] == 3
    assert at_shape["met"] is (at_shape["got"]["high"] >= wanted)
    assert mean["met"] is None, f"the target is of {of}"


def test_the_best_share_of_the_gemm_rate_is_named_last(tmp_path: Path) -> None:
    *variants, best = rows_of(tmp_path, "targets.py", "--only", "gemm", *TINY)
    medians = {row["measure"].split(", ")[-1]: row["got"]["median"] for row in variants if row["got"]}
    assert {"numpy hoisted", "numpy parts"} <= set(medians)
    name = best["measure"].split(", ")[-1]
    assert best["got"]["median"] == max(medians.values()) == medians[name]
    assert best["met"] is None, "the target is of shape E"


@pytest.mark.usefixtures("one_cpu")
def test_the_harness_is_measured_against_a_bare_script(tmp_path: Path) -> None:
    words = ("--backend", "numpy", "--preset", "smoke", "--processes", "1", "--pairs", "3")
    (row,) = rows_of(tmp_path, "overhead.py", *words)
    assert row["count"] == 3
    assert row["wanted"] == 0.98


@pytest.mark.usefixtures("one_cpu")
def test_a_first_step_is_timed_in_the_command_and_alone(tmp_path: Path) -> None:
    words = ("--only", "first-step", "--backend", "numpy", "--variant", "hoisted", "--starts", "1")
    command, alone = rows_of(tmp_path, "startup.py", *words)
    assert command["got"]["median"] > alone["got"]["median"] > 0


@pytest.mark.usefixtures("one_cpu")
def test_a_whole_run_is_timed_beside_a_bare_script_and_says_where_its_seconds_went(tmp_path: Path) -> None:
    words = ("--only", "whole-run", "--backend", "numpy", "--variant", "hoisted", "--starts", "1")
    beyond, run, *clocks = rows_of(tmp_path, "startup.py", *words)
    assert beyond["wanted"] == 2
    assert 0 < beyond["got"]["median"] < run["got"]["median"]
    *_, worker, beside = (row["got"]["median"] for row in clocks)
    assert worker + beside == pytest.approx(run["got"]["median"])


def test_a_bare_script_takes_turns_with_a_worker_and_one_that_cannot_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import sides

    shape = Shape(batch=2, length=3, features=2, hidden=4, outputs=10, loss="cross-entropy")
    broken = sides.Side("broken", sides.ours("broken", "numpy", "auto", "lstm", shape).spec, "no_such_script")
    found = sides.contest(
        [sides.bare("bare", "numpy", "lstm", shape), sides.ours("ours", "numpy", "hoisted", "lstm", shape), broken],
        rounds=3,
        block_s=0.001,
    )
    assert len(sides.pairs(found["bare"], found["ours"])) == 3
    assert found["bare"].reason is found["ours"].reason is None
    assert "no_such_script" in (found["broken"].reason or "")


@pytest.mark.parametrize(
    ("median", "at_most", "met"),
    [(0.97, False, True), (0.90, False, False), (0.25, True, True), (1.03, True, False)],
)
def test_a_target_is_met_where_the_interval_reaches_it(
    monkeypatch: pytest.MonkeyPatch, median: float, at_most: bool, met: bool
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    from rows import Estimate, Row

    got = Estimate(median, median - 0.02, median + 0.02)
    assert Row("it", 0.98, got, at_most=at_most).met is met
    assert not Row("it", 0.98, None, reason="it is not there", at_most=at_most).met


def test_the_pieces_of_an_update_of_the_native_kernels_are_less_than_all_of_it(tmp_path: Path) -> None:
    if reason := why_no_compiler():
        pytest.skip(reason)
    rows = rows_of(tmp_path, "where_native.py", "--shape", "A", "--rounds", "1")
    shares = [row["got"]["median"] for row in rows[3:] if "GEMM rate" not in row["measure"]]
    assert len(shares) == 7
    assert all(share > 0 for share in shares)
    assert sum(shares) < 1


def test_the_main_job_is_the_readmes_and_has_a_bare_script_for_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import startup

    run, report = startup.MAIN_JOB
    assert f".venv/bin/harness {run} && .venv/bin/harness {report}\n" in (BENCH.parents[1] / "README.md").read_text()
    scripts = list(startup.bare({"backend": "numpy", "task": list(startup.MAIN_TASKS), "preset": "smoke"}))
    assert [json.loads(each.words[2])["readout"] for each in scripts] == ["last", "every", "every", "last"]


def test_trials_of_compare_are_counted(tmp_path: Path) -> None:
    words = ["--trials", "1", "--more", "-P length=400", "--json", str(tmp_path / "rows.json"), "--"]
    few = [
        "--backend",
        "numpy",
        "--threads",
        "1",
        "--hidden",
        "8",
        "--pairs",
        "4",
        "--restarts",
        "2",
        "--block",
        "0.02",
    ]
    done = subprocess.run(
        [sys.executable, str(BENCH / "trials.py"), *words, *few], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    same, more = map(json.loads, (tmp_path / "rows.json").read_text().splitlines())
    assert (same["kind"], more["kind"], more["pairs"]) == ("same", "more", 4)
    assert more["ratio"] > same["ratio"]
    assert len(done.stdout.splitlines()) == 4


def contestant(
    backend: str, variant: str, tier: Tier, seconds: float | None, device: Device = "cpu", **more: Any
) -> Contestant:
    """With made-up figures, on a machine that slows down from round to round: that moves no ratio."""
    spec = SpeedSpec(
        backend=backend, variant=variant, device=device, threads=2, model=Model(hidden=50), batch=32, length=100,
        features=10, **more,
    )  # fmt: skip
    if seconds is None:
        return Contestant(spec=spec, status="unavailable", reason="CuPy is not installed", variant=variant)
    spread = Spread(median=1e3 * seconds, p10=seconds, p90=seconds, blocks=6)
    ready = Ready(
        import_s=1, gate_s=1, build_s=1, first_s=1, first_updates=1, parameters=1, flops_per_step=1, bytes_per_step=1
    )
    return Contestant(
        spec=spec, status="ok", variant=variant, tier=tier, ready=ready,
        blocks=[Timed(round=n, steps=2, seconds=2 * seconds * (1 + n)) for n in range(6)],
        figures=Figures(
            step_ms=spread, sequences_per_second=spread, gflops=1.0, gemm_share=0.4 * 0.002 / seconds, compile_s=0.0,
            ratio=None,
        ),
    )  # fmt: skip


def test_targets_of_a_gpu_are_read_from_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import gpu_targets

    on_cuda = partial(contestant, device="cuda")
    contest = Contest(
        name="A",
        rows=[
            on_cuda("torch", "nn", "default", 0.004), on_cuda("torch", "graph", "best", 0.002),
            on_cuda("jax", "scan", "default", 0.006), on_cuda("jax", "chunk", "fused", 0.001),
            on_cuda("jax", "deferred-dw", "best", 0.004), on_cuda("numpy", "textbook", "default", None),
        ],
    )  # fmt: skip
    torch, jax, across, cupy = gpu_targets.rows([contest])
    assert (torch.got.median, torch.wanted, torch.met) == (pytest.approx(2), 1.5, True)
    assert (jax.got.median, jax.met) == (pytest.approx(1.5), False), "fused variants have no rank among the others"
    assert (across.got.median, across.count, across.met) == (pytest.approx(0.5), 6, False)
    assert (cupy.got, cupy.reason, cupy.met) == (None, "CuPy is not installed", False)


def test_targets_of_a_cpu_are_read_from_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` is asked for: of NumPy in float64, in a small batch and network, it is a variant without kernels."""
    monkeypatch.syspath_prepend(str(BENCH))
    import cpu_targets

    in_double = partial(contestant, "numpy", precision="float64")
    held = [in_double("textbook", "default", 0.004), in_double("hoisted", "best", 0.002)]
    slower, faster = (in_double("parts", "best", seconds) for seconds in (0.0025, 0.001))
    torch = contestant("torch", "nn", "default", 0.003)

    def told(*rows: Contestant) -> dict[str, Any]:
        return {row.measure: row for row in cpu_targets.rows([Contest(name="A", rows=list(rows))])}

    found = told(*held, slower, torch)
    right = found["numpy lstm A: auto / the best variant, hoisted"]
    assert (right.got.median, right.count, right.met) == (1, 6, True)
    assert found["numpy lstm A: auto / stock layer (hoisted)"].got.median == pytest.approx(2)
    assert found["numpy lstm A: auto / torch's layer (hoisted)"].got.median == pytest.approx(1.5)
    assert found["torch gru B: auto / the best variant"].reason == "no such contest"
    share = found["lstm A: share of the GEMM rate, the best: numpy hoisted"]
    assert (share.wanted, share.count) == (0.35, 6)
    wrong = told(*held, faster)["numpy lstm A: auto / the best variant, parts (hoisted)"]
    assert (wrong.got.median, wrong.met) == (pytest.approx(0.5), False)


def test_the_shapes_of_the_benches_are_those_of_harness_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    import sides

    contests = plan({"backend": "numpy", "variant": "hoisted", "shape": "all", "threads": 2})
    asked = {contest.name: contest.contestants[0].spec for contest in contests}
    for name, shape in SHAPES.items():
        assert sides.ours("it", "numpy", "hoisted", "lstm", shape).spec == asked[name], name


@pytest.mark.parametrize("framework", ["numpy", "torch", "tensorflow", "jax", "keras_fit"])
def test_a_bare_script_starts_at_the_loss_of_a_guess_among_ten_classes_and_predicts(framework: str) -> None:
    """In a process of its own: a framework's threads and flags would outlive this test."""
    code = (
        "import numpy as np\nfrom loader import Sizes, script\n"
        f"stage, train = script({framework!r}).program(Sizes('lstm', 4, 3, 2, 8, 10, 'cross-entropy', 1e-3))\n"
        "x, y = np.zeros((4, 3, 2), 'float32'), np.array([0, 3, 9, 9], 'int32')\n"
        "print(float(train([stage(x, y)])[0]))\n"
    )
    if reads_every := framework != "keras_fit":
        code += (
            "every = Sizes('lstm', 4, 3, 2, 8, 10, 'cross-entropy', 1e-3, 'every')\n"
            f"stage, train = script({framework!r}).program(every)\n"
            "print(float(train([stage(x, np.arange(12, dtype='int32').reshape(4, 3) % 10)])[0]))\n"
        )
    if predicts := framework in ("torch", "tensorflow", "jax"):
        code += (
            f"stage, predict = script({framework!r}).prediction(Sizes('lstm', 4, 3, 2, 8, 10, 'mse', 1e-3))\n"
            "print(*{type(out).__name__ + str(out.shape) for out in predict([stage(x, y)] * 2)}, sep='; ')"
        )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=BENCH, timeout=120)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()[-1 - reads_every - predicts :]
    losses, outputs = printed[: 1 + reads_every], printed[1 + reads_every :]
    assert [float(loss) for loss in losses] == pytest.approx([math.log(10)] * len(losses), abs=0.3)
    assert outputs == ["ndarray(4, 10)"] * predicts


def test_a_run_started_as_keras_is_drawn_beside_fit(tmp_path: Path) -> None:
    """Small, so that whether the curves agree is not judged here."""
    if find_spec("keras") is None or find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    words = "--epochs 2 --seeds 1 --sequences 160 --length 21 --hidden 4 --json".split()
    file = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, str(BENCH / "keras_curve.py"), *words, str(file)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode in (0, 1), done.stderr
    rows = json.loads(file.read_text())
    assert [row["epoch"] for row in rows] == [1, 2]
    assert all(len(row[side]) == 1 and 0 < row[side][0] < 10 for row in rows for side in ("ours", "fit"))
    assert done.stdout.splitlines()[-1].startswith("1 seeds each; the median is within fit's range in ")
