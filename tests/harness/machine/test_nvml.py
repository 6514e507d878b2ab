"""What NVML tells, from a hand-written stand-in for a driver with devices; of the real one, why it tells nothing."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import nvml
from tests.fixtures.fake_nvml import DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, MIG, UNSIGNED_INT, FakeGpu, FakeNvml

ASKED = {name for name in dir(FakeNvml) if name.startswith("nvmlDeviceGet")} - {
    "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetHandleByUUID"
}  # fmt: skip


def a_device(gpu: FakeGpu | None = None, without: set[str] | None = None) -> nvml.Device:
    return nvml.first_visible(None, FakeNvml(gpu or FakeGpu("GPU-a"), without=without))


# ---- whether it is there


def why_not() -> nvml.NvmlUnavailable | None:
    try:
        nvml.connect()
    except nvml.NvmlUnavailable as why:
        return why
    return None


def test_here_the_real_library_says_in_one_line_why_it_tells_nothing() -> None:
    why = why_not()
    if why is None:
        pytest.skip("this machine has an NVIDIA driver")
    assert why.installed == (find_spec("pynvml") is not None)
    assert "\n" not in str(why)
    assert ("driver" if why.installed else "pip install nvidia-ml-py") in str(why)


def test_the_real_module_has_every_name_that_the_stand_in_has() -> None:
    pynvml = pytest.importorskip("pynvml")
    names = [name for name in dir(FakeNvml) if name.startswith(("nvml", "NVML"))]
    assert [name for name in (*names, *nvml._WHY_NOT) if not hasattr(pynvml, name)] == []
    assert {pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_VALUE_TYPE_UNSIGNED_INT} == {
        LIBRARY_NOT_FOUND,
        UNSIGNED_INT,
    }
    assert [name for name, _ in pynvml.c_nvmlValue_t._fields_] == list(nvml._FIELDS)


@pytest.mark.parametrize(
    ("fails", "says"),
    [(LIBRARY_NOT_FOUND, "no NVIDIA driver"), (DRIVER_NOT_LOADED, "not loaded"), (999, "NVML: error 999")],
)
def test_each_failure_is_told_by_its_cause(fails: int, says: str) -> None:
    with pytest.raises(nvml.NvmlUnavailable, match=says):
        nvml.connect(FakeNvml(fails=fails))


def test_a_driver_without_a_device_to_see_is_told() -> None:
    with pytest.raises(nvml.NvmlUnavailable, match=r"^no NVIDIA device$"):
        nvml.first_visible(None, FakeNvml())
    with pytest.raises(nvml.NvmlUnavailable, match="that CUDA_VISIBLE_DEVICES=-1 shows"):
        nvml.first_visible("-1", FakeNvml(FakeGpu("GPU-a")))


# ---- which device


@pytest.mark.parametrize(
    ("variable", "uuids"),
    [
        (None, ["GPU-aa1", "GPU-ab2", "GPU-b3"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1", ["GPU-ab2"]),
        ("2,0", ["GPU-b3", "GPU-aa1"]),
        (" 2 , 1", ["GPU-b3", "GPU-ab2"]),
        ("0,7,1", ["GPU-aa1"]),  # what follows a name that is none stays hidden
        ("0,-1,1", ["GPU-aa1"]),
        ("GPU-ab2", ["GPU-ab2"]),
        ("GPU-b", ["GPU-b3"]),
        ("GPU-a", []),  # of two devices
        ("GPU-ab,GPU-aa", ["GPU-ab2", "GPU-aa1"]),
        (MIG, [MIG]),
        ("MIG-other", []),
    ],
)
def test_the_visible_devices_are_those_that_cuda_sees_in_its_order(variable: str | None, uuids: list[str]) -> None:
    module = FakeNvml(FakeGpu("GPU-aa1"), FakeGpu("GPU-ab2"), FakeGpu("GPU-b3"))
    assert [device.facts().uuid for device in nvml.visible(module, variable)] == uuids


@given(st.text("0123-,GPUMIGab ", max_size=12))
def test_no_value_of_the_variable_is_an_error(variable: str) -> None:
    assert len(nvml.visible(FakeNvml(FakeGpu("GPU-aa1")), variable)) <= variable.count(",") + 1


# ---- what it tells


def test_the_facts_of_a_device() -> None:
    facts = a_device().facts()
    assert (facts.driver, facts.cuda_driver, facts.compute_capability) == ("580.95.05", "12.9", "9.0")
    assert (facts.memory_bytes, facts.power_limit_w, facts.temperature_c) == (40 * 2**30, 400.0, 41)
    assert facts.words() == {
        "name": "NVIDIA Imaginary 40GB", "driver_version": "580.95.05", "cuda_driver_version": "12.9",
        "compute_cap": "9.0", "memory.total": "40960 MiB", "clocks.sm": "1410 MHz", "clocks.mem": "1593 MHz",
        "clocks.max.sm": "1980 MHz", "clocks.max.mem": "2619 MHz", "power.limit": "400.00 W", "temperature.gpu": "41 C",
    }  # fmt: skip


@given(st.sets(st.sampled_from(sorted(ASKED))))
def test_what_a_device_does_not_support_is_none_and_the_rest_is_told(without: set[str]) -> None:
    device = a_device(FakeGpu("GPU-a", 7, [(1, 5)], [(1, 50)]), without)
    told = {
        "nvmlDeviceGetName": device.facts().name,
        "nvmlDeviceGetUUID": device.facts().uuid,
        "nvmlDeviceGetCudaComputeCapability": device.facts().compute_capability,
        "nvmlDeviceGetMemoryInfo": device.facts().memory_bytes,
        "nvmlDeviceGetClockInfo": device.facts().sm_clock_mhz,
        "nvmlDeviceGetMaxClockInfo": device.facts().memory_clock_max_mhz,
        "nvmlDeviceGetPowerManagementLimit": device.facts().power_limit_w,
        "nvmlDeviceGetTemperature": device.facts().temperature_c,
        "nvmlDeviceGetTotalEnergyConsumption": device.energy_mj(),
        "nvmlDeviceGetComputeRunningProcesses": device.process_bytes(1),
        "nvmlDeviceGetSamples": device.samples(0),
    }
    assert {name for name, value in told.items() if value is None} == without
    assert set(told) == ASKED
    assert all("None" not in word for word in device.facts().words().values())


def test_a_process_that_nvml_does_not_name_holds_nobody_knows_what() -> None:
    gpu = FakeGpu("GPU-a", processes=[(10, 2**20), (11, None)])
    assert [a_device(gpu).process_bytes(pid) for pid in (10, 11, 12)] == [2**20, None, None]


def test_samples_come_oldest_first_and_only_later_ones() -> None:
    device = a_device(FakeGpu("GPU-a", samples=[(30, 100), (10, 0), (20, 50)]))
    assert device.samples(10) == [nvml.Sample(20, 0.5), nvml.Sample(30, 1.0)]
    assert device.last_sample_us() == 30
