"""``harness doctor``: what the machine has, what each backend can use of it, and what would help where it cannot."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import RenderableType

from harness.machine import cgroups, nvml, system
from harness.machine.personal import impersonal
from harness.machine.process import available_cpus
from harness.planning.runs import default_threads
from harness.presentation.renderers import Facts, facts
from harness.presentation.screen import show
from harness.processes.supervise import probing
from harness.records import tuned
from harness.text import counted, number, printable, ranges

#: Compilers that torch.compile can use on the CPU, in order of preference.
COMPILERS = ("g++", "clang++", "c++")
GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """The machine and its system. Sizes in bytes, the quota in CPUs; None for what the system does not say.

    ``tuned`` says in words how many choices ``harness tune`` has made for it.
    """

    cpu: str
    logical_cpus: int
    usable_cpus: list[int]
    default_threads: int
    threads_reason: str | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    system: str
    kernel: str
    libc: str | None
    python: str
    container: str | None
    cgroup: dict[str, str]
    cpu_quota: float | None
    tuned: str = "none"


@dataclass(frozen=True)
class Gpu:
    """A device as its driver describes it. ``facts`` are in the words and units of nvidia-smi."""

    facts: dict[str, str]
    uuid: str | None
    visible: bool


@dataclass(frozen=True)
class Seen:
    """A backend and its ``devices`` by name, each with the reason why it cannot be used, or None where it can."""

    name: str
    version: str | None
    versions: dict[str, str]
    devices: dict[str, str | None]
    reason: str | None

    @property
    def runnable(self) -> bool:
        """Whether it can be used on any device."""
        return self.reason is None and None in self.devices.values()


@dataclass(frozen=True)
class Tool:
    """Something outside the Python packages: its version, or None where it is missing, and what it is used for."""

    name: str
    version: str | None
    use: str


@dataclass(frozen=True)
class Findings:
    """Everything that the doctor found; ``why_no_gpu`` is None where there is a GPU."""

    machine: Machine
    gpus: list[Gpu]
    why_no_gpu: str | None
    backends: list[Seen]
    tools: list[Tool]
    runnable: bool


def examine() -> Findings:
    """Examine the machine, and each backend in a process of its own."""
    with probing() as probes:
        gpus, why_not = _gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
        machine, found = _machine(), tools()
        backends = [
            Seen(**{name: each[name] for name in ("name", "version", "versions", "devices", "reason")})
            for each in probes()
        ]
    return Findings(machine, gpus, why_not, backends, found, any(each.runnable for each in backends))


def _machine() -> Machine:
    threads = default_threads()
    return Machine(
        cpu=system.cpu_model(),
        logical_cpus=os.cpu_count() or 1,
        usable_cpus=available_cpus(),
        default_threads=threads.number,
        threads_reason=threads.why,
        memory_bytes=system.memory_bytes(),
        memory_available_bytes=_memory_available(),
        system=_system(),
        kernel=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()).strip() or None,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        container=system.container(),
        cgroup=cgroups.limits(),
        cpu_quota=cgroups.cpu_quota(),
        tuned=_tuned(),
    )


def _tuned() -> str:
    """How many choices of ``auto`` were measured here, or why there are none."""
    if tuned.place() is None:
        return f"switched off: {tuned.VARIABLE} is empty"
    try:
        kept = tuned.read()
    except tuned.Unreadable as error:
        return f"none: {impersonal(str(error))}"
    used = sum(each.unused is None for each in kept)
    others = f", {len(kept) - used} of other machines or versions" if used < len(kept) else ""
    return f"{counted(used, 'choice')} of auto measured here{others}" if kept else "none: harness tune measures them"


def _memory_available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform()


def _gpus(visible: str | None, module: nvml.Management | None = None) -> tuple[list[Gpu], str | None]:
    """Every GPU of the machine, hidden ones too; and the reason where none can be listed.

    Args:
        visible: the value of ``CUDA_VISIBLE_DEVICES``, None where it is not set.
        module: stands in for ``pynvml``.
    """
    try:
        connected = nvml.connect(module)
    except nvml.NvmlUnavailable as error:
        told = {} if error.installed else system.gpu()
        return ([Gpu(told, None, True)], None) if told else ([], str(error))
    shown = {device.uuid() for device in nvml.visible(connected, visible)}
    every = [device.facts() for device in nvml.devices(connected)]
    found = [Gpu(facts.words(), facts.uuid, facts.uuid in shown) for facts in every]
    return found, None if found else "NVIDIA's driver is loaded, but has no device"


def tools() -> list[Tool]:
    """What some variants and commands need besides the Python packages."""
    compiler = next(filter(shutil.which, COMPILERS), None)
    return [
        Tool("C++ compiler", _first_line(compiler) if compiler else None, "torch's variant compiled, on CPU"),
        Tool("Triton", _distribution("triton"), "torch's variant compiled, on CUDA"),
        Tool("nvidia-ml-py", _distribution("nvidia-ml-py"), "energy and idle time of a GPU"),
        Tool("uv", _first_line("uv"), "building environments quickly, in place of pip"),
    ]


def _first_line(command: str) -> str | None:
    """The first line of ``command --version``; None where it cannot be started."""
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().split("\n")[0] or None


def _distribution(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


# ---- on a screen


def print_findings(found: Findings) -> None:
    """Print all of it, section by section."""
    show(*_parts(found), width=120)


def _parts(found: Findings) -> Iterator[RenderableType]:
    yield from facts("Machine", list(_machine_facts(found.machine)))
    yield from facts("GPUs", _gpu_facts(found.gpus, found.why_no_gpu))
    yield from facts("Backends", [fact for each in found.backends for fact in _backend_facts(each)])
    yield from facts("Tools", [(each.name, printable(_tool(each))) for each in found.tools])
    yield ""
    yield _closing(found.backends)


def _machine_facts(m: Machine) -> Iterator[tuple[str, str]]:
    yield "CPU", printable(f"{m.cpu}, {m.logical_cpus} logical")
    yield "usable here", f"{len(m.usable_cpus)}: {ranges(m.usable_cpus)}"
    yield "threads", f"{m.default_threads} by default" + (f": {m.threads_reason}" if m.threads_reason else "")
    if m.memory_bytes is not None:
        free = "" if m.memory_available_bytes is None else f", {number(m.memory_available_bytes / GIB)} GiB available"
        yield "memory", f"{number(m.memory_bytes / GIB)} GiB{free}"
    yield "system", printable(", ".join(filter(None, (m.system, m.kernel, m.libc))))
    yield "Python", printable(m.python)
    yield "container", printable(m.container or "none seen")
    limits = ", ".join(f"{name} {value}" for name, value in m.cgroup.items() if name != "cpu.max")
    if m.cpu_quota is not None:
        limits = ", ".join(filter(None, (f"quota {number(m.cpu_quota)} CPU", limits)))
    yield "control group", printable(limits or "no limits seen")
    yield "tuned", printable(m.tuned)


def _gpu_facts(gpus: Sequence[Gpu], why_not: str | None) -> Facts:
    if not gpus:
        return [("none", printable(why_not or ""))]
    return [fact for place, gpu in enumerate(gpus) for fact in _one_gpu(place, gpu)]


def _one_gpu(place: int, gpu: Gpu) -> Facts:
    f = gpu.facts
    hidden = "" if gpu.visible else " (hidden by CUDA_VISIBLE_DEVICES)"
    lines = [
        f"{f.get('name', 'a device without a name')}{hidden}",
        _joined(f, {"driver_version": "driver", "cuda_driver_version": "CUDA", "compute_cap": "compute capability"}),
        _joined(f, {"memory.total": "memory", "power.limit": "power limit", "temperature.gpu": "temperature"}),
        _joined(f, {"clocks.sm": "clock now", "clocks.max.sm": "at most", "clocks.mem": "memory now",
                    "clocks.max.mem": "at most"}),
    ]  # fmt: skip
    return [("" if row else str(place), printable(line)) for row, line in enumerate(lines) if line]


def _joined(facts: Mapping[str, str], words: Mapping[str, str]) -> str:
    return ", ".join(f"{word} {facts[name]}" for name, word in words.items() if name in facts)


def _backend_facts(seen: Seen) -> Facts:
    if seen.reason:
        return [(seen.name, printable(f"no: {seen.reason}"))]
    facts = [(seen.name, printable(", ".join(f"{name} {value}" for name, value in seen.versions.items())))]
    return facts + [
        ("", printable(f"{device}: {f'no: {reason}' if reason else 'yes'}")) for device, reason in seen.devices.items()
    ]


def _tool(tool: Tool) -> str:
    return f"{tool.version or 'not found'} (for {tool.use})"


def _closing(backends: Sequence[Seen]) -> str:
    able = {
        device: [each.name for each in backends if each.reason is None and each.devices.get(device, "") is None]
        for device in ("cpu", "cuda")
    }
    return "; ".join(f"{device}: {', '.join(names) or 'no backend'}" for device, names in able.items())
