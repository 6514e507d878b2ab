"""NVIDIA's management library (NVML), through the package ``nvidia-ml-py``: facts, energy and utilisation of devices.

NVML lists every device of the machine, whatever ``CUDA_VISIBLE_DEVICES`` says, so the variable is read here too. What a
device does not support is None, never an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Value = TypeVar("Value")

PACKAGE_MISSING = "NVIDIA's management library cannot be asked: pip install nvidia-ml-py"
#: By the name of NVML's error: why nothing can be asked, and what would help.
_WHY_NOT = {
    "NVML_ERROR_LIBRARY_NOT_FOUND": "no NVIDIA driver: its library libnvidia-ml is not here; install the driver, "
    "or give this container the GPU",
    "NVML_ERROR_DRIVER_NOT_LOADED": "NVIDIA's driver is installed but not loaded: modprobe nvidia, or restart",
    "NVML_ERROR_NO_PERMISSION": "NVIDIA's driver does not let this user ask",
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": "NVIDIA's driver and its library are of two versions: restart the machine",
}
#: By NVML's number of a value's type, the name of its field in a sample.
_FIELDS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


class NvmlUnavailable(RuntimeError):
    """NVML cannot be used; the message says why, in one line. ``installed``: whether its package is installed."""

    def __init__(self, why: str, installed: bool = True) -> None:
        super().__init__(why)
        self.installed = installed


class Management(Protocol):
    """The part of the module ``pynvml`` that is used here; the fake of the tests has the same."""

    NVMLError: type[Exception]
    NVMLLibraryMismatchError: type[Exception]
    NVML_CLOCK_SM: int
    NVML_CLOCK_MEM: int
    NVML_TEMPERATURE_GPU: int
    NVML_GPU_UTILIZATION_SAMPLES: int

    def nvmlInit(self) -> None: ...
    def nvmlSystemGetDriverVersion(self) -> str: ...
    def nvmlSystemGetCudaDriverVersion(self) -> int: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> Any: ...
    def nvmlDeviceGetHandleByUUID(self, uuid: str, /) -> Any: ...
    def nvmlDeviceGetName(self, handle: Any, /) -> str: ...
    def nvmlDeviceGetUUID(self, handle: Any, /) -> str: ...
    def nvmlDeviceGetCudaComputeCapability(self, handle: Any, /) -> tuple[int, int]: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Any, /) -> Any: ...
    def nvmlDeviceGetClockInfo(self, handle: Any, kind: int, /) -> int: ...
    def nvmlDeviceGetMaxClockInfo(self, handle: Any, kind: int, /) -> int: ...
    def nvmlDeviceGetPowerManagementLimit(self, handle: Any, /) -> int: ...
    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int, /) -> int: ...
    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, /) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any, /) -> Sequence[Any]: ...
    def nvmlDeviceGetSamples(self, handle: Any, kind: int, since: int, /) -> tuple[int, Sequence[Any]]: ...


@dataclass(frozen=True)
class Facts:
    """What a device is, and its clocks at one moment; None for what it does not report."""

    name: str | None
    uuid: str | None
    driver: str | None
    cuda_driver: str | None
    compute_capability: str | None
    memory_bytes: int | None
    sm_clock_mhz: int | None
    memory_clock_mhz: int | None
    sm_clock_max_mhz: int | None
    memory_clock_max_mhz: int | None
    power_limit_w: float | None
    temperature_c: int | None

    def words(self) -> dict[str, str]:
        """As a record keeps them, by the names and in the units of ``nvidia-smi``; without the identifying UUID."""
        values: Mapping[str, tuple[object, str]] = {
            "name": (self.name, ""), "driver_version": (self.driver, ""), "cuda_driver_version": (self.cuda_driver, ""),
            "compute_cap": (self.compute_capability, ""),
            "memory.total": (None if self.memory_bytes is None else self.memory_bytes // 2**20, " MiB"),
            "clocks.sm": (self.sm_clock_mhz, " MHz"), "clocks.mem": (self.memory_clock_mhz, " MHz"),
            "clocks.max.sm": (self.sm_clock_max_mhz, " MHz"), "clocks.max.mem": (self.memory_clock_max_mhz, " MHz"),
            "power.limit": (None if self.power_limit_w is None else f"{self.power_limit_w:.2f}", " W"),
            "temperature.gpu": (self.temperature_c, " C"),
        }  # fmt: skip
        return {name: f"{value}{unit}" for name, (value, unit) in values.items() if value is not None}


@dataclass(frozen=True)
class Sample:
    """Utilisation, from 0 to 1, in the fraction of a second that ends at ``at_us`` (µs)."""

    at_us: int
    busy: float


class Device:
    """One device, as NVML describes it."""

    def __init__(self, module: Management, handle: Any) -> None:
        self.module, self.handle = module, handle

    def uuid(self) -> str | None:
        """The identity of this device among all; None where the driver does not report it."""
        return self._ask(self.module.nvmlDeviceGetUUID)

    def facts(self) -> Facts:
        """What the device is, and its clocks at this moment."""
        m, ask = self.module, self._ask
        cuda = _answer(m, m.nvmlSystemGetCudaDriverVersion)
        capability = ask(m.nvmlDeviceGetCudaComputeCapability)
        memory = ask(m.nvmlDeviceGetMemoryInfo)
        power = ask(m.nvmlDeviceGetPowerManagementLimit)
        return Facts(
            name=ask(m.nvmlDeviceGetName),
            uuid=self.uuid(),
            driver=_answer(m, m.nvmlSystemGetDriverVersion),
            cuda_driver=None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
            compute_capability=None if capability is None else f"{capability[0]}.{capability[1]}",
            memory_bytes=None if memory is None else int(memory.total),
            sm_clock_mhz=ask(m.nvmlDeviceGetClockInfo, m.NVML_CLOCK_SM),
            memory_clock_mhz=ask(m.nvmlDeviceGetClockInfo, m.NVML_CLOCK_MEM),
            sm_clock_max_mhz=ask(m.nvmlDeviceGetMaxClockInfo, m.NVML_CLOCK_SM),
            memory_clock_max_mhz=ask(m.nvmlDeviceGetMaxClockInfo, m.NVML_CLOCK_MEM),
            power_limit_w=None if power is None else power / 1e3,
            temperature_c=ask(m.nvmlDeviceGetTemperature, m.NVML_TEMPERATURE_GPU),
        )

    def energy_mj(self) -> int | None:
        """Millijoules that the whole device has consumed since the driver was loaded, whoever used it."""
        return self._ask(self.module.nvmlDeviceGetTotalEnergyConsumption)

    def process_bytes(self, pid: int) -> int | None:
        """Bytes of the device's memory that a process holds, its CUDA context and every pool included.

        None where NVML does not list the process. It lists processes by the host's ids, so there is usually nothing
        to find from within a container that has ids of its own.
        """
        processes = self._ask(self.module.nvmlDeviceGetComputeRunningProcesses) or []
        held = [each.usedGpuMemory for each in processes if each.pid == pid]
        return held[0] if held else None

    def samples(self, since_us: int) -> list[Sample] | None:
        """Utilisation after ``since_us``, oldest first, as far back as the driver keeps it (some seconds); or None."""
        kind = self.module.NVML_GPU_UTILIZATION_SAMPLES
        answer = self._ask(self.module.nvmlDeviceGetSamples, kind, since_us)
        if answer is None or answer[0] >= len(_FIELDS):
            return None
        field = _FIELDS[answer[0]]
        found = (Sample(int(each.timeStamp), getattr(each.sampleValue, field) / 100) for each in answer[1])
        return sorted((each for each in found if each.at_us > since_us), key=lambda each: each.at_us)

    def last_sample_us(self) -> int:
        """The moment of the newest sample on NVML's own clock; now where there is none yet."""
        found = self.samples(0)
        return found[-1].at_us if found else time.time_ns() // 1000

    def _ask(self, question: Callable[..., Value], *arguments: Any) -> Value | None:
        return _answer(self.module, question, self.handle, *arguments)


def _answer(module: Management, question: Callable[..., Value], *arguments: Any) -> Value | None:
    """NVML's answer; None where the device or the driver does not support the question."""
    try:
        return question(*arguments)
    except (module.NVMLError, module.NVMLLibraryMismatchError):
        return None


def connect(module: Management | None = None) -> Management:
    """NVML, initialised.

    Args:
        module: a stand-in for ``pynvml``; None for the real one.

    Raises:
        NvmlUnavailable: the package or the library is missing, or the driver is not loaded.
    """
    if module is None:
        try:
            import pynvml
        except ImportError:
            raise NvmlUnavailable(PACKAGE_MISSING, installed=False) from None
        module = pynvml
    assert module is not None
    try:
        module.nvmlInit()
    except module.NVMLError as error:
        raise NvmlUnavailable(_why_not(module, error)) from None
    return module


def _why_not(module: Management, error: Exception) -> str:
    number = getattr(error, "value", None)
    known = {getattr(module, name): why for name, why in _WHY_NOT.items() if hasattr(module, name)}
    return known.get(number) or f"NVML: {' '.join(str(error).split())}"


def devices(module: Management) -> list[Device]:
    """Every device of the machine, in NVML's order, which is that of the PCI bus."""
    count = _answer(module, module.nvmlDeviceGetCount) or 0
    found = (_device(module, module.nvmlDeviceGetHandleByIndex, index) for index in range(count))
    return [each for each in found if each is not None]


def _device(module: Management, find: Callable[..., Any], name: int | str) -> Device | None:
    handle = _answer(module, find, name)
    return None if handle is None else Device(module, handle)


def visible(module: Management, variable: str | None) -> list[Device]:
    """The devices that a CUDA program sees, in its order: its device 0 is the first.

    Args:
        variable: the value of ``CUDA_VISIBLE_DEVICES``, None where it is not set. Indices count in the order of the
            PCI bus: the program must run with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``, as workers do.
    """
    if variable is None:
        return devices(module)
    found: list[Device] = []
    for word in variable.split(","):
        device = _named(module, word.strip())
        if device is None:
            break  # as CUDA does: whatever follows an invalid name stays hidden
        found.append(device)
    return found


def _named(module: Management, word: str) -> Device | None:
    """The device of an index, a UUID, the beginning of one that no other shares, or a MIG instance's UUID."""
    if word.isdecimal():
        exists = len(word) < 6 and int(word) < (_answer(module, module.nvmlDeviceGetCount) or 0)
        return _device(module, module.nvmlDeviceGetHandleByIndex, int(word)) if exists else None
    if word.startswith("MIG-"):
        return _device(module, module.nvmlDeviceGetHandleByUUID, word)
    if not word.startswith("GPU-"):
        return None
    alike = [each for each in devices(module) if (each.uuid() or "").startswith(word)]
    return alike[0] if len(alike) == 1 else None


def first_visible(variable: str | None, module: Management | None = None) -> Device:
    """Device 0 of a CUDA program that runs with this ``CUDA_VISIBLE_DEVICES``.

    Raises:
        NvmlUnavailable: NVML cannot be asked, or no device is visible.
    """
    found = visible(connect(module), variable)
    if not found:
        raise NvmlUnavailable(
            "no NVIDIA device" + ("" if variable is None else f" that CUDA_VISIBLE_DEVICES={variable} shows")
        )
    return found[0]
