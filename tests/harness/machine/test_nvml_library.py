"""The real package ``nvidia-ml-py`` over a C library in place of the driver's: its calls, types and errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Harness

COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = [
    pytest.mark.skipif(find_spec("pynvml") is None, reason="nvidia-ml-py is not installed"),
    pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="needs a C compiler on Linux"),
]
#: Everything that is asked of a device, in a process that loads the library.
ASK = """
import json, os
from dataclasses import asdict
from harness.machine import nvml
device = nvml.first_visible(os.environ.get("CUDA_VISIBLE_DEVICES"))
facts = device.facts()
print(json.dumps({
    "facts": asdict(facts), "words": facts.words(), "energy": device.energy_mj(),
    "held": device.process_bytes(os.getpid()), "other": device.process_bytes(1),
    "samples": [[each.at_us, each.busy] for each in device.samples(1_000_000) or []], "none": device.samples(3_000_000),
    "last": device.last_sample_us(),
}))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with the stand-in: of a driver of today, and of one that lacks a function."""
    folders = {}
    for name, options in (("new", []), ("old", ["-DOLD"])):
        folders[name] = tmp_path_factory.mktemp(name)
        words = ["-shared", "-fPIC", *options, "-o", str(folders[name] / "libnvidia-ml.so.1")]
        subprocess.run([str(COMPILER), *words, str(ROOT / "tests" / "fixtures" / "driver" / "nvml.c")], check=True)
    return folders


def with_library(folder: Path, **more: str) -> dict[str, str]:
    there = os.environ.get("LD_LIBRARY_PATH")
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, [str(folder), there])), **more}


def asked(folder: Path, **more: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", ASK], env=with_library(folder, **more), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_the_library_says_arrives_in_our_units(library: dict[str, Path]) -> None:
    found = asked(library["new"])
    assert found["words"] == {
        "name": "NVIDIA Imaginary 80GB", "driver_version": "580.65.06", "cuda_driver_version": "13.0",
        "compute_cap": "9.0", "memory.total": "81920 MiB", "clocks.sm": "1755 MHz", "clocks.mem": "2619 MHz",
        "clocks.max.sm": "1980 MHz", "clocks.max.mem": "2619 MHz", "power.limit": "700.00 W", "temperature.gpu": "36 C",
    }  # fmt: skip
    assert found["facts"]["uuid"] == "GPU-12345678"
    assert found["energy"] == 5_000_000_000
    assert (found["held"], found["other"]) == (512 * 2**20, None)
    assert found["samples"] == [[2_000_000, 0.5], [3_000_000, 0.75]]
    assert found["none"] is None
    assert found["last"] == 3_000_000


@pytest.mark.parametrize("visible", ["0", "GPU-1234", "MIG-1"])
def test_a_device_is_found_by_each_of_its_names(library: dict[str, Path], visible: str) -> None:
    assert asked(library["new"], CUDA_VISIBLE_DEVICES=visible)["facts"]["name"] == "NVIDIA Imaginary 80GB"


def test_a_function_that_a_driver_lacks_leaves_out_what_it_would_tell(library: dict[str, Path]) -> None:
    new, old = asked(library["new"])["words"], asked(library["old"])["words"]
    assert set(new) - set(old) == {"clocks.max.sm", "clocks.max.mem"}


@pytest.mark.parametrize("code", [3, 4, 15, 999])  # not supported, no permission, GPU is lost, unknown
def test_whatever_it_refuses_nothing_breaks(library: dict[str, Path], code: int) -> None:
    found = asked(library["new"], NVML_REFUSES=str(code))
    assert found["words"] == {}
    assert [found[name] for name in ("energy", "held", "other", "samples", "none")] == [None, None, None, [], None]


def test_the_doctor_lists_the_device(library: dict[str, Path], harness: Harness) -> None:
    done = harness("doctor", "--json", env=with_library(library["new"], CUDA_VISIBLE_DEVICES="0"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["why_no_gpu"] is None
    (gpu,) = told["gpus"]
    assert (gpu["facts"]["power.limit"], gpu["visible"]) == ("700.00 W", True)
