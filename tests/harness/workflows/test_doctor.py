"""The doctor: asked really, and with a stand-in for the driver of a GPU that is not here."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from harness import cli
from harness.workflows import doctor
from harness.workflows.doctor import Findings, Gpu, Machine, Seen, Tool
from tests.conftest import Harness
from tests.fixtures.fake_nvml import DRIVER_NOT_LOADED, FakeGpu, FakeNvml

MACHINE = Machine(
    cpu="a processor", logical_cpus=8, usable_cpus=[0, 1, 2, 5], default_threads=1,
    threads_reason="the control group's quota is 0.5 CPU", memory_bytes=16 * 2**30, memory_available_bytes=None,
    system="an OS", kernel="Linux 6", libc=None, python="CPython 3.11", container="docker",
    cgroup={"cpu.max": "50000 100000", "memory.max": "2048"}, cpu_quota=0.5,
)  # fmt: skip


def screen(found: Findings) -> str:
    console = Console(file=StringIO(), width=120)
    for part in doctor._parts(found):
        console.print(part)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def findings(**changes: Any) -> Findings:
    seen = Seen("torch", "2", {"torch": "2", "cuda": "12.8"}, {"cpu": None, "cuda": "sees none [and-cuda]"}, None)
    usual: dict[str, Any] = {
        "machine": MACHINE, "gpus": [], "why_no_gpu": "no driver", "backends": [seen],
        "tools": [Tool("uv", None, "building")], "runnable": True,
    }  # fmt: skip
    return Findings(**(usual | changes))


def test_it_tells_machine_gpus_backends_and_tools(harness: Harness) -> None:
    done = harness("doctor")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for words in (
        "Machine",
        "GPUs",
        "Backends",
        "Tools",
        "Python",
        "numpy",
        "cpu: yes",
        "C++ compiler",
        "Triton",
        "uv",
    ):
        assert words in done.stdout, words
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []
    home = os.environ.get("HOME", "")
    assert len(home) < 2 or home not in done.stdout


def test_the_same_as_json(harness: Harness) -> None:
    done = harness("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"]["logical_cpus"] >= len(found["machine"]["usable_cpus"]) >= 1
    assert bool(found["gpus"]) != bool(found["why_no_gpu"])
    backends = {each["name"]: each for each in found["backends"]}
    assert set(backends) == {"numpy", "torch", "tensorflow", "jax"}
    assert backends["numpy"]["devices"]["cpu"] is None
    for each in backends.values():
        assert each["reason"] or each["version"] in each["versions"].values()
        assert each["reason"] or set(each["devices"]) == {"cpu", "cuda"}
    assert {each["name"] for each in found["tools"]} >= {"C++ compiler", "Triton", "uv"}
    assert found["runnable"] is True


def test_where_nothing_can_run_it_says_so_and_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"name": "numpy", "version": None, "versions": {}, "devices": {}, "variants": {}, "reason": "it is gone"}
    monkeypatch.setattr(doctor, "probing", lambda: nullcontext(lambda: [nothing]))
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 1
    assert "no: it is gone" in done.stdout
    assert "cpu: no backend; cuda: no backend" in done.stdout


def test_every_gpu_is_told_and_which_are_hidden() -> None:
    gpus, why = doctor._gpus("1", FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b")))
    assert why is None
    assert [(gpu.uuid, gpu.visible) for gpu in gpus] == [("GPU-a", False), ("GPU-b", True)]
    text = screen(findings(gpus=gpus, why_no_gpu=None))
    for words in (
        "NVIDIA Imaginary 40GB (hidden by CUDA_VISIBLE_DEVICES)", "driver 580.95.05, CUDA 12.9, compute capability 9.0",
        "memory 40960 MiB, power limit 400.00 W, temperature 41 C",
        "clock now 1410 MHz, at most 1980 MHz, memory now 1593 MHz, at most 2619 MHz",
    ):  # fmt: skip
        assert words in text, words


def test_what_a_device_does_not_tell_is_left_out() -> None:
    text = screen(findings(gpus=[Gpu({"driver_version": "1"}, None, True)], why_no_gpu=None))
    assert "a device without a name" in text
    assert "driver 1" in text
    assert "clock" not in text
    assert "None" not in text


def test_why_there_is_no_gpu_is_told() -> None:
    assert doctor._gpus(None, FakeNvml()) == ([], "NVIDIA's driver is loaded, but has no device")
    gpus, why = doctor._gpus(None, FakeNvml(fails=DRIVER_NOT_LOADED))
    assert gpus == []
    assert "not loaded" in (why or "")
    assert "none  no driver" in screen(findings())


def test_reasons_are_text_and_not_markup() -> None:
    text = screen(findings())
    assert "cuda: no: sees none [and-cuda]" in text
    assert "4: 0-2, 5" in text
    assert "quota 0.5 CPU, memory.max 2048" in text
    assert "1 by default: the control group's quota is 0.5 CPU" in text
    assert "uv  not found (for building)" in text
    assert text.rstrip().endswith("cpu: torch; cuda: no backend")


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for a compiler")
def test_a_tool_is_found_by_starting_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    versions = {tool.name: tool.version for tool in doctor.tools()}
    assert versions["C++ compiler"] is None
    for name, says in (("clang++", "clang version 99\nmore"), ("uv", "uv 9.9")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / name).chmod(0o755)
    versions = {tool.name: tool.version for tool in doctor.tools()}
    assert (versions["C++ compiler"], versions["uv"]) == ("clang version 99", "uv 9.9")
    (tmp_path / "uv").write_text("#!/bin/sh\nexit 3\n")
    assert {tool.name: tool.version for tool in doctor.tools()}["uv"] is None
