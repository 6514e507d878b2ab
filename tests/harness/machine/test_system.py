"""What the system says of this machine, and of its GPU through nvidia-smi where NVML's package is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.machine import nvml, system
from harness.machine.system import GPU_FIELDS, gpu


def test_the_machine_has_a_processor_and_memory() -> None:
    assert system.cpu_model()
    assert (system.memory_bytes() or 1) > 0
    assert system.cpu_flags() == sorted(system.cpu_flags())


def test_a_file_of_the_kernel_is_none_where_it_is_empty_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "one").write_text(" 4096 \n")
    assert [system.read_line(tmp_path / name) for name in ("empty", "none", "one")] == [None, None, "4096"]


def test_a_container_is_told_by_the_variable_that_engines_set(monkeypatch: pytest.MonkeyPatch) -> None:
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        pytest.skip("this is a container with a mark that comes first")
    monkeypatch.setenv("container", "lxc")
    assert system.container() == "lxc"


SMI = """#!/bin/sh
echo "$*" > "$(dirname "$0")/asked"
echo "NVIDIA Imaginary, 580.95.05, 9.0, 40960 MiB, 1410 MHz, 1593 MHz, 1980 MHz, 2619 MHz, 400.00 W, [N/A]"
"""


def test_the_words_of_nvidia_smi_are_those_of_nvml() -> None:
    facts = nvml.Facts("n", "u", "d", "12.9", "9.0", 2**30, 1, 2, 3, 4, 5.0, 6)
    assert set(facts.words()) - set(GPU_FIELDS) == {"cuda_driver_version"}


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for nvidia-smi")
@pytest.mark.parametrize(
    ("visible", "asked"), [(None, "-i 0 "), ("2,1", "-i 2 "), ("GPU-a1,0", "-i GPU-a1 "), ("-1", None), ("", None)]
)
def test_without_nvmls_package_nvidia_smi_is_asked_about_the_visible_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, asked: str | None
) -> None:
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = gpu()
    if asked is None:
        assert found == {}
        assert not (tmp_path / "asked").exists()
        return
    assert (tmp_path / "asked").read_text().startswith(asked)
    assert found["name"] == "NVIDIA Imaginary"
    assert found["power.limit"] == "400.00 W"
    assert "temperature.gpu" not in found, "it was not told"


def test_without_an_nvidia_driver_there_is_no_gpu() -> None:
    try:
        nvml.first_visible(None)
    except nvml.NvmlUnavailable:
        assert gpu() == {}
    else:
        pytest.skip("this machine has one")
