"""This machine, as the operating system and the driver describe it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from harness.machine import darwin, nvml

CPUINFO = Path("/proc/cpuinfo")


@lru_cache
def cpu_model() -> str:
    """The processor's name."""
    try:
        for line in CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    named = darwin.processor() if sys.platform == "darwin" else None
    return named or platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Physical memory of the machine in bytes, however little of it this process may use; None where unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


def cpu_flags() -> list[str]:
    """Instruction sets and other features of the processor, as the kernel names them; empty where it does not."""
    for line in (read_line(CPUINFO) or "").splitlines():
        if line.startswith(("flags", "Features")):
            return sorted(line.split(":", 1)[1].split())
    return []


def container() -> str | None:
    """The kind of container that this process runs in, by the marks that container engines leave."""
    if Path("/run/.containerenv").exists():
        return "podman"
    if Path("/.dockerenv").exists():
        return "docker"
    named = os.environ.get("container")  # noqa: SIM112 - systemd's convention is lower case
    return named or ("kubernetes" if "KUBERNETES_SERVICE_HOST" in os.environ else None)


def read_line(path: Path) -> str | None:
    """The text of a file of the kernel's; None where it is empty or cannot be read."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


#: Those of the names in ``nvml.Facts.words`` that nvidia-smi knows.
GPU_FIELDS = (
    "name", "driver_version", "compute_cap", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm",
    "clocks.max.mem", "power.limit", "temperature.gpu",
)  # fmt: skip


def gpu() -> dict[str, str]:
    """The first GPU that ``CUDA_VISIBLE_DEVICES`` shows, as NVML describes it; empty where there is none.

    Without NVML's Python package nvidia-smi is asked, which knows a little less.
    """
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        return nvml.first_visible(asked).facts().words()
    except nvml.NvmlUnavailable as error:
        return {} if error.installed else smi("0" if asked is None else asked.split(",")[0].strip())


def smi(which: str) -> dict[str, str]:
    """A GPU, by index or UUID, as nvidia-smi describes it; empty where it says nothing."""
    if not which.isdecimal() and not which.startswith("GPU-"):
        return {}  # -1 and the empty word hide all of them
    query = ["nvidia-smi", "-i", which, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20, start_new_session=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    answers = zip(GPU_FIELDS, (value.strip() for value in done.stdout.split(",")), strict=False)
    return {name: value for name, value in answers if value and not value.startswith("[")}  # [N/A], [Not Supported]
