"""Fixtures of the top floor's tests."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analysis.roofline import roofs_of, with_shares
from harness.records.base import Environment, Gate, Ratio, Spread
from harness.records.claim import ClaimFigure, ClaimRecord, Compared, Curve, Evidence, Verdict
from harness.records.naming import run_name
from harness.records.run import CurvePoint, Metrics, Record
from harness.records.speed import Contest, Figures, Limits, Ready, Row, SpeedRecord, Timed
from harness.records.store import read
from harness.records.verdict import Figures as VerdictFigures
from harness.records.verdict import Harness, Judged, VerdictRecord
from harness.specs.base import Initialisation, Model, Optimizer
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec
from tests.conftest import ROOT
from tests.fixtures.contests import SHORT, TINY

RecordFactory = Callable[..., Record]
_SPEED = {"numpy": 900.0, "torch": 5200.0, "tensorflow": 7100.0, "jax": 11_300.0}
_TASKS: dict[str, dict[str, Any]] = {
    "adding": {
        "parameters": {"length": 100, "markers": "halves"},
        "main_score": "mse", "higher_is_better": False,
        "baseline": {"loss": 1 / 6, "mse": 1 / 6},
        "landmarks": {"always 1": 1 / 6, "one marker known": 1 / 12},
    },
    "copy": {
        "parameters": {"delay": 20, "symbols": 10, "alphabet": 8},
        "main_score": "recall_accuracy", "higher_is_better": True,
        "baseline": {"loss": 0.52, "recall_accuracy": 0.125},
        "landmarks": {"blanks, then chance": 0.52},
    },
}  # fmt: skip


def made_record(
    task: str = "adding",
    backend: str = "torch",
    cell: str = "lstm",
    *,
    number: int = 0,
    seed: int = 0,
    status: str = "ok",
    reason: str | None = None,
    variant: str = "nn",
    parameters: dict[str, Any] | None = None,
    environment: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
    record: dict[str, Any] | None = None,
    **spec: Any,
) -> Record:
    """A record such as a run leaves, with a curve that falls as curves do; keywords override the spec."""
    about = _TASKS[task]
    steps, every = spec.pop("steps", 2000), spec.pop("evaluate_every", 200)
    made = RunSpec(
        task=task, preset=spec.pop("preset", "quick"), parameters=parameters or about["parameters"], seed=seed,
        backend=backend, variant="auto",
        model=Model(cell=cell, hidden=spec.pop("hidden", 64), layers=spec.pop("layers", 1)),  # type: ignore[arg-type]
        initialisation=Initialisation(), optimizer=spec.pop("optimizer", Optimizer(lr=5e-3)),
        batch=spec.pop("batch", 50), steps=steps, chunk=50, evaluate_every=every, threads=1, **spec,
    )  # fmt: skip
    speed = _SPEED.get(backend, 3000.0) * {"rnn": 2.5, "lstm": 1.0}.get(cell, 1.2) * (1 + seed / 40)
    rate = {"rnn": 250.0, "lstm": 1.0}.get(cell, 1.4) * 3.0 * (1 + seed / 10)
    ran = status in ("ok", "interrupted")

    def level(share: float) -> float:
        return exp(-rate * max(0.0, share - 0.2)) if cell != "rnn" else 1 - 0.1 * share

    curve = []
    for step in range(0, steps + 1, every):
        share = level(step / steps)
        main = 0.167 * share + 0.0005 if task == "adding" else 1 - 0.875 * share
        loss = main if task == "adding" else 0.52 * share + 0.0001
        curve.append(
            CurvePoint(
                step=step, loss=loss, train_loss=loss * 1.02 if step else None, scores={about["main_score"]: main},
                seconds=step * 50 / speed,
            )
        )  # fmt: skip
    last = curve[-1]

    def spread(median: float) -> Spread:
        return Spread(median=median, p10=median * 0.94, p90=median * 1.03, blocks=38)

    values: dict[str, Any] = {
        "final_loss": last.loss, "score": {**last.scores, "within_0.04": 0.9}, "score_step": steps,
        "main_score": about["main_score"], "higher_is_better": about["higher_is_better"],
        "baseline": about["baseline"], "landmarks": about["landmarks"], "solved": cell != "rnn",
        "steps_to": {"0.05": 600, "0.01": None if cell == "rnn" else 1000},
        "train_sequences_per_second": spread(speed), "train_time_steps_per_second": spread(speed * 100),
        "step_ms": spread(50e3 / speed), "predict_sequences_per_second": spread(speed * 3),
        "predict_time_steps_per_second": spread(speed * 300),
        "import_s": 1.9, "data_s": 0.8, "gate_s": 0.7, "build_s": 0.05, "first_step_s": 1.2, "compile_s": 1.19,
        "stage_s": 0.02, "train_s": steps * 50 / speed, "evaluate_s": 0.9, "wall_s": steps * 50 / speed + 6,
        "host_import_bytes": 210 * 2**20, "host_init_bytes": 260 * 2**20,
        "host_peak_bytes": int(speed / 100 + 300) * 2**20,
        "parameters": 17_217, "flops_per_step": 1_022_000_000, "compilations": 3,
    }  # fmt: skip
    return Record(
        id=f"{task}-{cell}-{backend}-{seed}-{number:04d}",
        created=datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(minutes=number),
        status=status,  # type: ignore[arg-type]
        reason=reason,
        spec=made,
        variant=variant,
        variant_reason="faster than the loop at every size measured",
        executed="mkldnn_rnn_layer" if backend == "torch" else "scan",
        gate=Gate(steps=3, batch=8, loss_distance=1e-7, parameter_distance=3e-7, tolerance=1e-4, passed=True),
        environment=Environment(**{
            "cpu": "Intel(R) Xeon(R) Processor @ 2.60GHz", "logical_cpus": 2, "affinity": [0],
            "memory_bytes": 16 * 2**30, "os": "Linux 6.1", "python": "3.11.9",
            "versions": {"harness": "0.1.0", "numpy": "2.3.0", backend: "2.11.0"}, "threads": 1,
            "flushes_denormals": True, "variables": {"OMP_NUM_THREADS": "1"}, "strays": {},
            "git_commit": "c875149" + "0" * 33, "git_dirty": False, **(environment or {}),
        }),
        metrics=Metrics(**(values | (metrics or {}))) if status == "ok" else None,
        curve=curve if status == "ok" else curve[:4] if ran else [],
        log_tail=None if status == "ok" else "line one\nline two",
        **(record or {}),
    )  # fmt: skip


def made_contestant(backend: str, ms: float, tier: str = "best", rounds: int = 4, **spec: Any) -> Row:
    """Made up, not measured: a contestant whose updates take ``ms`` milliseconds."""
    made = SpeedSpec(
        backend=backend, threads=1, model=Model(hidden=spec.pop("hidden", 5)), batch=spec.pop("batch", 3), length=4,
        features=2, **spec,
    )  # fmt: skip
    even = Spread(median=ms, p10=ms, p90=ms, blocks=rounds)
    rate = 1e3 * made.batch / ms
    return Row(
        spec=made, status="ok", variant=f"{tier}-one", tier=tier, executed="made up",  # type: ignore[arg-type]
        threads=1, flushes_denormals=True, affinity=[0],
        device_name="Made-up GPU" if made.device == "cuda" else None,
        ready=Ready(
            import_s=1, gate_s=0.1, build_s=0.1, first_s=0.2, first_updates=1, host_init_bytes=2**27, parameters=166,
            flops_per_step=10**8, bytes_per_step=10**6, dependent_steps=8,
        ),
        blocks=[Timed(round=i, steps=10, seconds=ms / 100) for i in range(rounds)],
        figures=Figures(
            step_ms=even, sequences_per_second=Spread(median=rate, p10=rate, p90=rate, blocks=rounds),
            gflops=100 / ms, gemm_share=None, compile_s=0.1, ratio=Ratio(median=1.0, pairs=rounds),
        ),
        host_peak_bytes=2**28, compilations=1,
        limits=Limits(gflops=[90.0, 100.0, 110.0], gb_per_s=[9.0, 10.0, 11.0], us_per_step=[2.5, 3.0]),
    )  # fmt: skip


def made_speed(*contests: list[Row], **fields: Any) -> SpeedRecord:
    """Made up, not measured: the record of a call with these contestants, contest by contest."""
    made = [Contest(rows=rows) for rows in contests or [[made_contestant("numpy", 2.0)]]]
    roofs = roofs_of(made)
    made = [Contest(rows=[with_shares(row, roofs[row.spec.device]) for row in each.rows]) for each in made]
    return SpeedRecord(
        id="20260102T030405Z-speed-0123abcd", created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), status="ok", rounds=4,
        block_s=0.1, contests=made, roofs=roofs,
        environment=Environment(cpu="Made-up CPU", logical_cpus=2, os="Linux", python="3.11.9", versions={}), **fields,
    )  # fmt: skip


def grown(
    backend: str = "torch",
    tier: str = "best",
    *,
    sizes: Sequence[int] = (16, 64, 256, 1024),
    fixed: float = 2.0,
    rate: float = 50.0,
    noise: float = 0.0,
    name: str = "length",
    rounds: int = 8,
    asked: str | None = None,
    seed: int = 0,
) -> list[Row]:
    """Made up, not measured: a contestant over a size: ``fixed`` ms, and the work of an update at ``rate`` GFLOP/s.

    Work is 1 GFLOP at size 100 and grows evenly.

    Args:
        noise: relative, of each block.
        asked: the variant that was asked for.
    """
    random = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        row = made_contestant(backend, 1.0, tier, rounds)
        ready = row.ready
        assert ready is not None
        ready = ready.model_copy(
            update={"flops_per_step": size * 10**7, "bytes_per_step": size * 10**5, "dependent_steps": 2 * size}
        )
        model = row.spec.model.model_copy(update={name: size} if name in ("hidden", "layers") else {})
        changed = {
            "model": model,
            "variant": asked or row.variant,
            **({} if name in ("hidden", "layers") else {name: size}),
        }
        spec = row.spec.model_copy(update=changed)
        ms = (fixed + 10 * size / rate) * np.exp(noise * random.standard_normal(rounds))
        blocks = [Timed(round=at, steps=10, seconds=float(each) / 100) for at, each in enumerate(ms)]
        figures = Figures.of(blocks, spec.batch, ready, None)
        rows.append(row.model_copy(update={"spec": spec, "ready": ready, "blocks": blocks, "figures": figures}))
    return rows


def made_scaling(*lines: list[Row], **fields: Any) -> SpeedRecord:
    """Made up, not measured: the record of a call whose contests are these lines' rows, size by size."""
    return made_speed(*(list(rows) for rows in zip(*lines, strict=True)), **fields)


def made_verdict(
    record: Record | None = None,
    verdict: str = "bit-identical",
    number: int = 0,
    updates: int | None = 2000,
    **environment: Any,
) -> VerdictRecord:
    """Made up, not measured: a verdict on a record, made on a machine of this environment."""
    record = record or made_record()
    judged = Judged(
        id=record.id, digest=record.digest, name=run_name(record), seed=record.spec.seed, spec_digest=record.spec.digest
    )
    return VerdictRecord(
        id=f"20260102T030405Z-verdict-{number:08x}", created=datetime(2026, 1, 2, 3, 4, number, tzinfo=UTC),
        judged=judged, verdict=verdict, why="made up",  # type: ignore[arg-type]
        updates=updates, updates_recorded=record.spec.steps, speed="as recorded (1.00×)", differences=["processor: A"],
        recorded=VerdictFigures.of(record), found=VerdictFigures(), environment_recorded=record.environment,
        environment=record.environment.model_copy(update=environment) if updates else None,
        harness=Harness(version="0.1.0", sources={"harness": "a" * 64}, commit="b" * 40, dirty=True),
    )  # fmt: skip


#: A claim's file that this harness cannot measure.
CLAIM = """statement = "A wide network learns sooner <script>than a narrow one."
otherwise = "It does not."

[source]
who = "Somebody 2020"
where = "arXiv:2001.00001"
figure = "2 times"

[needs]
missing = ["a wider machine"]
"""


def made_claim(
    name: str = "wide-networks", verdict: Verdict = "holds here", evidence: Sequence[Record] = (), number: int = 0
) -> ClaimRecord:
    """Made up, not measured: the record of a claim whose figures come from these runs."""
    figure = ClaimFigure(
        what="updates to mse < 0.05", rule=0, value=2.5, low=2.1, high=None, count=3, above=2, verdict="holds here"
    )
    run = made_record()
    return ClaimRecord(
        id=f"20260102T030405Z-claim-{name}-{number:08x}", created=datetime(2026, 1, 2, 3, 5, number, tzinfo=UTC),
        claim=name, text=CLAIM, sha256=hashlib.sha256(CLAIM.encode()).hexdigest(), statement="A wide network learns.",
        verdict=verdict, why="made up", needs=["a wider machine"] if verdict == "cannot run here" else [],
        figures=[] if verdict == "cannot run here" else [figure], scope="claimed on nothing; here nothing",
        evidence=[Evidence(id=each.id, kind="run", digest=each.digest) for each in evidence],
        compared=[Compared(a="--cell gru", b="--cell lstm", variants=("nn", "nn"), time=[1.1, 1.2])],
        curves=[Curve(name="adding lstm numpy hoisted", losses=[0.5, 0.25])], environment=run.environment,
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_record() -> RecordFactory:
    """Builds records: ``make_record("adding", "jax", "gru", seed=1)``."""
    return made_record


@pytest.fixture(scope="session")
def some_records() -> list[Record]:
    """Two tasks, two cells and more backends, three seeds of one of them, and four that did not run."""
    places = [(t, b, c) for t in ("adding", "copy") for c in ("lstm", "gru", "rnn") for b in ("numpy", "torch", "jax")]
    records = [made_record(t, b, c, number=n) for n, (t, b, c) in enumerate(places)]
    records += [made_record("adding", "tensorflow", "lstm", seed=seed, number=40 + seed) for seed in range(3)]
    return [
        *records,
        made_record("adding", "torch", "lstm", variant="loop", number=50),
        made_record(
            "copy", "torch", "gru-reset-before", number=51, status="unavailable", reason="there is no stock layer"
        ),
        made_record(
            "copy", "tensorflow", number=52, status="failed", reason="the loss is not finite after 150 updates"
        ),
        made_record("copy", "numpy", "gru", number=53, status="timeout", reason="stopped after 60 s"),
        made_record("adding", "numpy", "gru", number=54, status="interrupted", reason="interrupted", batch=64),
    ]


@pytest.fixture(scope="session")
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
