"""What a run on a GPU took: energy, memory, idle time, from a hand-written stand-in for a driver with devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.groups import groups
from harness.machine import nvml
from harness.planning.runs import plan
from harness.processes.supervise import execute
from harness.records.run import Record
from harness.worker import energy
from harness.worker.clocks import Clocks
from harness.worker.energy import Meter
from tests.conftest import ROOT, python_path
from tests.fixtures.fake_nvml import FakeGpu, FakeNvml


def a_device(gpu: FakeGpu | None = None, without: set[str] | None = None) -> nvml.Device:
    return nvml.first_visible(None, FakeNvml(gpu or FakeGpu("GPU-a"), without=without))


@pytest.fixture
def driver(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the driver, which a worker finds as it would find the real one."""
    monkeypatch.setenv("PYTHONPATH", python_path(ROOT / "tests" / "fixtures" / "driver", plugin))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def on_cuda() -> Record:
    run = {"device": "cuda", "threads": 1, "steps": 40, "chunk": 2}
    (spec,) = plan({"backend": "oncuda", "task": "echo", **run})
    return execute(spec, 120, lambda _: None)


@pytest.mark.usefixtures("driver")
def test_a_run_on_a_gpu_records_what_the_device_took() -> None:
    record = on_cuda()
    assert record.status == "ok", record.reason
    m = record.metrics
    assert m is not None
    assert m.energy_j is not None
    assert m.energy_j >= 100 * m.train_s * 0.95, "100 W, evaluations included"
    assert m.joules_per_1000_sequences is not None
    steady = m.energy_j * 38 / 40 / (38 * record.spec.batch) * 1000
    assert m.joules_per_1000_sequences == pytest.approx(steady, rel=0.3)
    assert m.device_process_bytes == 300 * 2**20
    assert m.device_idle_share is not None
    assert 0.5 < m.device_idle_share <= 0.75
    assert record.environment.gpu["name"] == "NVIDIA Imaginary 40GB"
    assert record.environment.variables["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    (group,) = groups([record])
    assert "launch-bound: device idle" in group.settings(record)


@pytest.mark.usefixtures("driver")
def test_a_run_whose_gpu_nvml_does_not_see_measures_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    record = on_cuda()
    assert record.status == "ok", record.reason
    assert record.metrics is not None
    assert record.metrics.energy_j is record.metrics.device_idle_share is None
    assert record.environment.gpu == {}


# ---- over a run


@dataclass
class Rig:
    """A run on a device of 100 W that is busy half of each training second; every sample covers a sixth of a second."""

    gpu: FakeGpu = field(default_factory=lambda: FakeGpu("GPU-a", processes=[(1, 2**20)]))
    now: float = 100.0

    def __post_init__(self) -> None:
        self.clocks = Clocks(lambda: self.now)

    def spend(self, name: str, seconds: float, busy: int) -> None:
        with self.clocks(name):
            for _ in range(round(6 * seconds)):
                self.now += 1 / 6
                self.gpu.energy += 100_000 // 6
                self.gpu.samples.append((round(self.now * 1e6), busy))

    def train(self, watch: Meter, blocks: int, chunk: int = 10) -> None:
        self.spend("predict", 1, 100)
        watch(0)
        for block in range(blocks):
            self.spend("data", 0.5, 0)
            self.spend("train", 3.0 if block == 0 else 0.5, 50 if block else 0)
            watch((block + 1) * chunk)
        self.spend("predict", 2, 100)


def measured(blocks: int, **without: Any) -> dict[str, Any]:
    rig = Rig()
    watch = Meter(a_device(rig.gpu, **without), rig.clocks, warm_up=10, steps=10 * blocks, pid=1)
    rig.train(watch, blocks)
    assert watch.gpu["name"] == "NVIDIA Imaginary 40GB"
    return watch.figures(batch=50)


def test_energy_is_from_the_first_update_to_the_last_and_per_sequence_of_the_steady_state() -> None:
    found = measured(blocks=41)
    assert found["energy_j"] == pytest.approx(100 * (3.5 + 40), rel=1e-3)
    assert found["joules_per_1000_sequences"] == pytest.approx(100 * 40 / (400 * 50) * 1000, rel=1e-3)


def test_idle_is_the_share_of_the_time_in_training_and_not_of_the_hosts_own() -> None:
    """Forty seconds: longer than the driver keeps samples, so they were fetched meanwhile."""
    assert measured(blocks=41)["device_idle_share"] == pytest.approx(0.5, abs=0.02)


def test_the_memory_is_the_highest_level_that_was_seen() -> None:
    rig = Rig()
    watch = Meter(a_device(rig.gpu), rig.clocks, warm_up=1, steps=2, pid=1)
    for done, held in enumerate((2**20, 2**22, 2**21)):
        rig.gpu.processes = [(1, held)]
        watch(done)
    assert watch.figures(1)["device_process_bytes"] == 2**22


def test_what_was_too_short_to_measure_is_not_measured() -> None:
    rig = Rig()
    watch = Meter(a_device(rig.gpu), rig.clocks, warm_up=1, steps=2, pid=1)
    watch(0)
    rig.spend("train", 1 / 6, 100)
    watch(1)
    rig.spend("train", 1 / 6, 100)
    watch(2)
    found = watch.figures(1)
    assert [name for name, value in found.items() if value is not None] == ["device_process_bytes"]


def test_a_run_that_is_all_warm_up_has_no_steady_state() -> None:
    rig = Rig()
    watch = Meter(a_device(rig.gpu), rig.clocks, warm_up=10, steps=10, pid=1)
    watch(0)
    rig.spend("train", 3, 100)
    watch(10)
    found = watch.figures(50)
    assert found["energy_j"] == pytest.approx(300, rel=1e-3)
    assert found["joules_per_1000_sequences"] is None
    assert found["device_idle_share"] is None


def test_a_run_that_may_end_early_is_measured_up_to_where_it_ended() -> None:
    """After 200 of 410 updates, where it may end every 100; what came after that, evaluation, is no part of it."""
    rig = Rig()
    watch = Meter(a_device(rig.gpu), rig.clocks, warm_up=10, steps=410, ends=100, pid=1)
    rig.train(watch, 20)
    found = watch.figures(batch=50)
    assert found["energy_j"] == pytest.approx(100 * (3.5 + 19), rel=1e-3)
    assert found["joules_per_1000_sequences"] == pytest.approx(100 * 19 / (190 * 50) * 1000, rel=1e-3)
    assert found["device_idle_share"] == pytest.approx(0.5, abs=0.05)
    assert watch.gpu


def test_without_counters_nothing_is_made_up() -> None:
    without = {"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetSamples", "nvmlDeviceGetComputeRunningProcesses"}
    assert set(measured(blocks=41, without=without).values()) == {None}


def test_a_counter_that_started_again_is_no_energy() -> None:
    rig = Rig()
    watch = Meter(a_device(rig.gpu), rig.clocks, warm_up=1, steps=2, pid=1)
    rig.gpu.energy = 5000
    watch(0)
    rig.spend("train", 2, 100)
    rig.gpu.energy = 10
    watch(2)
    assert watch.figures(1)["energy_j"] is None


def test_reading_is_on_a_clock_of_its_own_and_rare() -> None:
    rig = Rig()
    looks: list[float] = []
    device = a_device(rig.gpu)
    device.process_bytes = lambda pid: looks.append(rig.now)  # type: ignore[method-assign,assignment,func-returns-value]
    rig.train(Meter(device, rig.clocks, warm_up=10, steps=410, pid=1), 41)
    assert "meter" in rig.clocks.spent
    between = [b - a for a, b in pairwise(looks[1:-1])]
    assert min(between) >= energy.EVERY_S


def test_on_cpu_nothing_is_read() -> None:
    watch, why = energy.of_run("cpu", Clocks(lambda: 0.0), 1, 2)
    for done in range(3):
        watch(done)
    assert why is None
    assert watch.gpu == {}
    assert set(watch.figures(1).values()) == {None}
    assert watch.clocks.spent == {}


def test_on_cuda_without_nvml_the_run_is_told_why_and_goes_on() -> None:
    watch, why = energy.of_run("cuda", Clocks(lambda: 0.0), 1, 2)
    if why is None:
        pytest.skip("this machine has an NVIDIA driver")
    watch(0)
    assert set(watch.figures(1).values()) == {None}
