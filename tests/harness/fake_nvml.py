"""A hand-written stand-in for NVIDIA's management library and a driver with devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

NOT_SUPPORTED, LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED, UNSIGNED_INT = 3, 12, 9, 1
MIG = "MIG-41f0a1b2-0000-5555-9999-aaaabbbbcccc"


class FakeError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class FakeMismatch(Exception):
    pass


@dataclass
class FakeGpu:
    """A device: an energy counter, processes, samples of utilisation in percent, by moment in microseconds."""

    uuid: str
    energy: int = 0
    processes: list[tuple[int, int | None]] = field(default_factory=list)
    samples: list[tuple[int, int]] = field(default_factory=list)


class FakeNvml:
    """As much of ``pynvml`` as is asked. What ``without`` names raises as a device does that does not support it."""

    NVMLError, NVMLLibraryMismatchError = FakeError, FakeMismatch
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU, NVML_GPU_UTILIZATION_SAMPLES = 1, 2, 0, 1
    NVML_ERROR_LIBRARY_NOT_FOUND, NVML_ERROR_DRIVER_NOT_LOADED = LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED

    def __init__(self, *gpus: FakeGpu, without: set[str] | None = None, fails: int | None = None) -> None:
        self.gpus, self.fails, self.without = gpus, fails, without or set()

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvmlDevice") and name in self.without:

            def refuse(*arguments: Any) -> Any:
                raise FakeMismatch if name.endswith("Processes") else FakeError(NOT_SUPPORTED)

            return refuse
        return super().__getattribute__(name)

    def nvmlInit(self) -> None:
        if self.fails is not None:
            raise FakeError(self.fails)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.95.05"

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return 12090

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> FakeGpu:
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str, /) -> FakeGpu:
        if uuid != MIG:
            raise FakeError(6)
        return FakeGpu(MIG)

    def nvmlDeviceGetName(self, handle: FakeGpu, /) -> str:
        return "NVIDIA Imaginary 40GB"

    def nvmlDeviceGetUUID(self, handle: FakeGpu, /) -> str:
        return handle.uuid

    def nvmlDeviceGetCudaComputeCapability(self, handle: FakeGpu, /) -> tuple[int, int]:
        return 9, 0

    def nvmlDeviceGetMemoryInfo(self, handle: FakeGpu, /) -> Any:
        return SimpleNamespace(total=40 * 2**30, used=2**30)

    def nvmlDeviceGetClockInfo(self, handle: FakeGpu, kind: int, /) -> int:
        return {1: 1410, 2: 1593}[kind]

    def nvmlDeviceGetMaxClockInfo(self, handle: FakeGpu, kind: int, /) -> int:
        return {1: 1980, 2: 2619}[kind]

    def nvmlDeviceGetPowerManagementLimit(self, handle: FakeGpu, /) -> int:
        return 400_000

    def nvmlDeviceGetTemperature(self, handle: FakeGpu, sensor: int, /) -> int:
        return 41

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: FakeGpu, /) -> int:
        return handle.energy

    def nvmlDeviceGetComputeRunningProcesses(self, handle: FakeGpu, /) -> list[Any]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=held) for pid, held in handle.processes]

    def nvmlDeviceGetSamples(self, handle: FakeGpu, kind: int, since: int, /) -> tuple[int, list[Any]]:
        """The driver keeps the last hundred."""
        found = [each for each in handle.samples[-100:] if each[0] > since]
        if not found:
            raise FakeError(6)
        return UNSIGNED_INT, [SimpleNamespace(timeStamp=at, sampleValue=SimpleNamespace(uiVal=v)) for at, v in found]
