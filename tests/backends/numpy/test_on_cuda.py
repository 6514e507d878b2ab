"""NumPy's backend on CUDA, on a machine without: through a CuPy that is as strict as the real one, and counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backends.base import PRODUCT_SIDE, STEPS, Unsupported
from backends.conformance import (
    NETWORKS,
    SEQUENCES,
    BackendConformance,
    a_job,
    a_sequence_job,
    some_batches,
    start,
)  # fmt: skip
from backends.job import CELLS, Cell, Job
from backends.numpy import NumpyBackend, cuda_kernels
from backends.numpy.trainer import NumpyTrainer, Staged
from harness.records.store import read_all
from tests.fixtures.strict_cupy import Counts, Cupy

VARIANTS = [each.name for each in NumpyBackend().variants(a_job().model, "cuda") if "cuda" in each.devices]


@pytest.fixture(autouse=True, scope="module")
def cupy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cupy]:
    """What ``import cupy`` finds here."""
    if shutil.which("g++") is None:
        pytest.skip("a kernel's body is compiled by g++, which is not here")
    with pytest.MonkeyPatch.context() as patch:
        there = Cupy(tmp_path_factory.mktemp("kernels"))
        patch.setitem(sys.modules, "cupy", there)
        yield there
    cuda_kernels.compiled.cache_clear()


class TestNumpyOnCuda(BackendConformance):
    backend = NumpyBackend()
    device = "cuda"


def a_trainer(job: Job, updates: int) -> tuple[NumpyTrainer, Staged]:
    """With its batches on the device, and all buffers used before."""
    trainer = NumpyBackend().trainer(job, start(job))
    assert isinstance(trainer, NumpyTrainer)
    staged = trainer.stage([batch.astype(job.dtype) for batch in some_batches(job, updates)])
    trainer.train(staged[:1])
    return trainer, staged


def counted(cupy: Cupy, job: Job, updates: int = 1) -> Counts:
    """What training took."""
    trainer, staged = a_trainer(job, updates)
    cupy.counts = Counts()
    trainer.train(staged)
    counts, cupy.counts = cupy.counts, Counts()
    return counts


JOBS = [
    *(a_job("gru", network, device="cuda") for network in range(len(NETWORKS))),
    *(a_sequence_job(case, device="cuda") for case in range(len(SEQUENCES))),
    a_job("gru", 2, device="cuda", dropout=0.4, label_smoothing=0.1),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.model.cell}-{job.loss}-{job.variable}-{job.dropout}")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_block_waits_at_its_end_alone_and_hands_over_its_losses_alone(cupy: Cupy, job: Job, variant: str) -> None:
    """Whatever the loss, lengths and clipping: once for the updates, once for the losses."""
    for updates in (1, 3):
        counts = counted(cupy, replace(job, variant=variant), updates)
        assert (counts.waits, counts.transfers) == (2, 1)


#: Of ``kernels``: what CuPy launches for one step of a layer, forward and backward. Each takes the host microseconds.
CALLS: dict[Cell, int] = {"rnn": 4, "lstm": 4, "gru": 4, "gru-reset-before": 8}


def per_step(cupy: Cupy, job: Job) -> Counts:
    """What a time step more takes in one update."""
    short, long = (counted(cupy, replace(job, length=length)) for length in (4, 5))
    return Counts(**{name: count - getattr(short, name) for name, count in vars(long).items()})


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_few_calls_and_allocates_nothing(cupy: Cupy, cell: Cell) -> None:
    """A product and a kernel each way; two where the second product waits for the reset gate."""
    half = CALLS[cell] // 2
    assert per_step(cupy, a_job(cell, 0, device="cuda", variant="kernels")) == Counts(launches=half, products=half)


@pytest.mark.parametrize("cell", CELLS)
def test_the_textbook_makes_many_more_calls(cupy: Cupy, cell: Cell) -> None:
    """From 4 times as many to 22 times: where the host is what is waited for, so much slower."""
    counts = per_step(cupy, a_job(cell, 0, device="cuda", variant="textbook"))
    assert counts.launches + counts.products >= 4 * CALLS[cell]
    assert not counts.copies


@pytest.mark.parametrize("cell", CELLS)
def test_hoisted_allocates_nothing_but_what_cupy_copies(cupy: Cupy, cell: Cell) -> None:
    counts = per_step(cupy, a_job(cell, 0, device="cuda", variant="hoisted"))
    assert counts.allocations == counts.copies == (cell == "gru")  # by gates side by side, one times the other


@pytest.mark.parametrize("variant", VARIANTS)
def test_memory_is_that_since_construction(cupy: Cupy, variant: str) -> None:
    """Of another trainer, as the gate's, nothing is left, neither in use nor in the peak."""
    small = a_job("lstm", 3, device="cuda", variant=variant)
    before = cupy.used
    trainer, staged = a_trainer(replace(small, length=50), 1)
    large = trainer.memory().peak
    del trainer, staged
    assert cupy.used == before
    trainer = NumpyBackend().trainer(small, start(small))
    memory = trainer.memory()
    assert memory.in_use == memory.peak == cupy.used > before
    trainer.train(trainer.stage([some_batches(small, 1)[0].astype(small.dtype)]))
    assert memory.peak < trainer.memory().peak < large


def test_products_are_ieee_whatever_the_environment_says(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    cupy.compute_type = 7
    NumpyBackend().start(a_job(device="cuda"))
    assert cupy.compute_type == 1
    monkeypatch.setattr(cupy._core, "get_compute_type", lambda dtype: 7)
    with pytest.raises(Unsupported, match="not as IEEE float32"):
        NumpyBackend().start(a_job(device="cuda"))


def test_what_cupy_refuses_is_refused_here(cupy: Cupy) -> None:
    ours, hosts = cupy.ones((2, 2)), np.ones((2, 2))
    for mixed in (
        lambda: ours + hosts,
        lambda: hosts + ours,
        lambda: np.tanh(ours),
        lambda: cupy.tanh(hosts),
        lambda: cupy.add(ours, ours, out=hosts),
        lambda: cupy.matmul(ours, hosts),
        lambda: ours[np.arange(2)],
        lambda: ours.__setitem__(0, hosts),
        lambda: np.asarray(ours),
        lambda: cupy.add(ours, ours, where=ours > 0),
    ):
        with pytest.raises(TypeError):
            mixed()


def test_probes_are_the_work_that_they_say(cupy: Cupy, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a smaller product: only a GPU has time for the large one. Each waits once, and allocates nothing."""
    monkeypatch.setitem(PRODUCT_SIDE, "cuda", 64)
    probes = NumpyBackend().probes(a_job(device="cuda"))
    assert probes is not None
    for probe, expected in (
        (probes.product, Counts(products=1, waits=1)),
        (probes.copy, Counts(launches=1, waits=1)),
        (probes.step, Counts(products=STEPS, waits=1)),
    ):
        cupy.counts = Counts()
        probe.run()
        assert cupy.counts == expected


#: The module ``cupy`` of another process.
MODULE = """
import sys, tempfile
from pathlib import Path
from harness.records.store import read_all
from tests.fixtures.strict_cupy import Cupy
sys.modules["cupy"] = Cupy(Path(tempfile.mkdtemp(dir=Path(__file__).parent)))
"""


def test_a_worker_trains_there(tmp_path: Path) -> None:
    """Gate, memory, the device's clock and what was executed, of every variant."""
    (tmp_path / "cupy.py").write_text(MODULE)
    root = Path(__file__).parents[3]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (root, tmp_path)))}
    where = ["--device", "cuda", "--backend", "numpy", "--variant", "all", "--results", str(tmp_path)]
    what = ["--task", "copy", "--preset", "smoke", "--steps", "4", "--threads", "1"]
    command = [sys.executable, "-P", "-m", "harness", "run", *where, *what]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    records = read_all([tmp_path]).records
    assert sorted(str(record.executed).partition(",")[0] for record in records) == [
        "Python loop of cells cupy.matmul", "Python loop of kernels cupy.dot", "Python loop of textbook cupy.matmul"
    ]  # fmt: skip
    for record in records:
        assert 0 < record.metrics.device_train_s <= record.metrics.train_s
        assert 0 < record.metrics.device_init_bytes < record.metrics.device_peak_bytes
