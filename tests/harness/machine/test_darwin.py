"""What a Mac says of itself, with stand-ins for its libraries and commands, written from Apple's headers."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.machine import darwin, process, system

FZ = 1 << 24


class Fenv(ctypes.Structure):
    """``fenv_t`` of macOS on Apple silicon."""

    _fields_ = [("__fpsr", ctypes.c_uint64), ("__fpcr", ctypes.c_uint64)]


class Libm:
    """Keeps an environment of 16 bytes as a thread does."""

    def __init__(self, status: int, control: int) -> None:
        self.now = Fenv(status, control)

    def fegetenv(self, into: Any) -> int:
        ctypes.memmove(into, ctypes.byref(self.now), ctypes.sizeof(Fenv))
        return 0

    def fesetenv(self, of: Any) -> int:
        ctypes.memmove(ctypes.byref(self.now), of, ctypes.sizeof(Fenv))
        return 0

    def registers(self) -> tuple[int, int]:
        return tuple(getattr(self.now, name) for name, *_ in Fenv._fields_)  # type: ignore[return-value]


def test_on_apple_silicon_the_policy_goes_into_the_control_register_alone() -> None:
    libm = Libm(status=0b11, control=1 << 22)
    assert process.flush_denormals(True, "darwin", "arm64", libm)
    assert libm.registers() == (0b11, 1 << 22 | FZ)
    assert process.flush_denormals(False, "darwin", "arm64", libm)
    assert libm.registers() == (0b11, 1 << 22)


def test_on_an_intel_mac_it_goes_into_the_second_word() -> None:
    libm = Libm(status=0x1F80 << 32 | 0x037F, control=0)
    assert process.flush_denormals(True, "darwin", "x86_64", libm)
    assert libm.registers() == ((0x1F80 | 0x8040) << 32 | 0x037F, 0)


def test_where_the_register_is_not_known_nothing_is_written() -> None:
    libm = Libm(1, 2)
    assert not process.flush_denormals(True, "win32", "AMD64", libm)
    assert not process.flush_denormals(True, "linux", "riscv64", libm)
    assert libm.registers() == (1, 2)


class Mach:
    """The C library of a process with 3 MiB resident."""

    mach_task_self_ = 515

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def task_info(self, port: int, flavor: int, info: Any, words: Any) -> int:
        assert (port, flavor, words._obj.value) == (515, 20, 12), "words are of 4 bytes"
        info._obj.resident_size = 3 * 2**20
        return int(self.fails)


def test_resident_memory_is_the_kernels_task_info() -> None:
    assert ctypes.sizeof(darwin.TaskBasicInfo) == 48
    assert darwin.resident_bytes(Mach()) == 3 * 2**20
    assert darwin.resident_bytes(Mach(fails=True)) is None


@pytest.mark.skipif(sys.platform == "win32", reason="no resource usage")
def test_the_peak_is_in_bytes_and_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    monkeypatch.setattr(resource, "getrusage", lambda who: usage)
    assert darwin.peak_resident_bytes() == usage.ru_maxrss


def test_a_worker_on_a_mac_measures_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(darwin, "resident_bytes", lambda: 5)
    monkeypatch.setattr(darwin, "peak_resident_bytes", lambda: 7)
    assert (process.resident_bytes(), process.peak_resident_bytes()) == (5, 7)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for sysctl")
def test_the_processor_has_the_name_that_sysctl_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "sysctl"
    command.write_text('#!/bin/sh\n[ "$*" = "-n machdep.cpu.brand_string" ] && echo "Apple M2"\n')
    command.chmod(0o755)
    assert darwin.processor(str(command)) == "Apple M2"
    assert darwin.processor(str(tmp_path / "none")) is None
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(system, "CPUINFO", tmp_path / "none")
    monkeypatch.setattr(darwin, "processor", lambda: "Apple M2")
    assert system.cpu_model.__wrapped__() == "Apple M2"
