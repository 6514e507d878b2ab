"""The worker's environment: what it may inherit, what the spec sets, and what it is in the end."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from harness import nvml
from harness.process import available_cpus
from harness.records import Environment
from harness.spec import RunSpec, SpeedSpec
from tasks.registry import project_version

#: Inherited as they are: where things are found, never how numbers are computed.
INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP",
    "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "HARNESS_DATA", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CUDA_HOME", "CUDA_PATH", "TRITON_LIBCUDA_PATH",
    "TRITON_PTXAS_PATH", "SYSTEMROOT",
)  # fmt: skip
INHERITED_PREFIXES = ("LC_", "XDG_", "NVIDIA_")

#: Variables that change what a framework or its libraries do. Where the caller has one, it is
#: kept from the worker and named in the record.
STRAY_PREFIXES = (
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "NPY_", "NUMPY_",
    "DNNL_", "ONEDNN_", "TF_", "TF2_", "XLA_", "JAX_", "PJRT_", "NPROC", "KERAS_", "TORCH_", "TORCHINDUCTOR_",
    "PYTORCH_", "ATEN_", "CUDA_", "CUDNN_", "CUBLAS_", "CUPY_", "NCCL_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD",
    "TCMALLOC_", "TRITON_", "PTXAS_", "PYTHONMALLOC", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONWARNINGS",
)  # fmt: skip

#: Named like one of the above by another tool: Terraform.
NO_STRAY_PREFIXES = ("TF_CLI", "TF_VAR_")

#: TensorFlow and JAX would take most of a GPU's memory at once.
MEMORY_AS_NEEDED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "pydantic")
SOURCE = Path(__file__).resolve().parent.parent


def worker_variables(spec: RunSpec | SpeedSpec) -> dict[str, str]:
    """The variables that this spec sets, before any framework starts."""
    threads = str(spec.threads)
    variables = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC", "PJRT_NPROC"),
        threads,
    ) | {
        "KERAS_BACKEND": "tensorflow",
        "JAX_PLATFORMS": "cpu" if spec.device == "cpu" else "cuda,cpu",
        "PYTHONHASHSEED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **MEMORY_AS_NEEDED,
    }
    if spec.device == "cpu":
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        variables |= device_variables()
    if spec.deterministic:
        variables["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        if spec.device == "cuda":
            variables["XLA_FLAGS"] = "--xla_gpu_deterministic_ops=true"
    return variables


def device_variables() -> dict[str, str]:
    """Which GPU a process sees, which is the user's to say; counted as the driver counts; memory only as needed."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **MEMORY_AS_NEEDED,
        **({} if asked is None else {"CUDA_VISIBLE_DEVICES": asked}),
    }


def worker_environment(
    variables: Mapping[str, str], caller: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The worker's whole environment, and the caller's variables that were kept from it."""
    inherited = {
        name: value for name, value in caller.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    strays = {
        name: _without_home(value, caller)
        for name, value in sorted(caller.items())
        if name.startswith(STRAY_PREFIXES) and not name.startswith(NO_STRAY_PREFIXES)
        if name not in inherited and variables.get(name) != value
    }
    return {**inherited, **variables, "PYTHONUNBUFFERED": "1"}, strays


def _without_home(value: str, caller: Mapping[str, str]) -> str:
    """Records are published: they need not tell where the user lives."""
    home = caller.get("HOME", "")
    return value.replace(home, "~") if len(home) > 1 else value


def describe(variables: Mapping[str, str], strays: Mapping[str, str]) -> Environment:
    """The machine, the Python and the code, as far as no framework need be asked."""
    commit, dirty = source_state()
    return Environment(
        cpu=cpu_model(),
        logical_cpus=os.cpu_count() or 1,
        affinity=available_cpus(),
        memory_bytes=memory_bytes(),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=library_versions(),
        variables=dict(variables),
        strays=dict(strays),
        git_commit=commit,
        git_dirty=dirty,
        packages=packages(),
        sources=sources(),
        cpu_flags=_cpu_flags(),
        cpu_governor=_read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        cgroup=cgroup_limits(),
        numa_nodes=len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or None,
        libc=" ".join(platform.libc_ver()).strip() or None,
        container=container(),
    )


def library_versions() -> dict[str, str]:
    """Versions of this project, under the name ``harness``, and of the libraries that every run uses."""
    ours = project_version()
    found = {"harness": ours} if ours else {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache
def cpu_model() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """The machine's, whatever of it this process may use."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


@lru_cache
def source_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout that runs and whether its code differs from it; Nones where it is none."""
    if not (SOURCE / ".git").exists():
        return None, None
    try:
        commit = _git("rev-parse", "HEAD")
        # results are what runs produce: a new record does not make the code dirty
        changes = _git("status", "--porcelain", "--", "harness", "backends", "tasks", "pyproject.toml")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changes)


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(SOURCE), *words], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


@lru_cache
def packages() -> dict[str, str]:
    """Every installed distribution and its version, by normalised name (PEP 503)."""
    found: dict[str, str] = {}
    for each in distributions():
        name = each.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), each.version)
    return dict(sorted(found.items()))


@lru_cache
def sources() -> dict[str, str]:
    """SHA-256 of each floor's Python source: names and contents, in order of name."""
    return {floor: _source_digest(SOURCE / floor) for floor in ("tasks", "backends", "harness")}


def _source_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _cpu_flags() -> list[str]:
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith(("flags", "Features")):
            return sorted(line.split(":", 1)[1].split())
    return []


def cgroup_limits() -> dict[str, str]:
    """Limits of the control group that this process sees as its root (version 2)."""
    limits = {name: _read(Path("/sys/fs/cgroup") / name) for name in ("cpu.max", "cpuset.cpus.effective", "memory.max")}
    return {name: value for name, value in limits.items() if value}


def container() -> str | None:
    """The kind of container that this process runs in, by the marks that container engines leave."""
    if Path("/run/.containerenv").exists():
        return "podman"
    if Path("/.dockerenv").exists():
        return "docker"
    named = os.environ.get("container")  # noqa: SIM112 - systemd's convention is lower case
    return named or ("kubernetes" if "KUBERNETES_SERVICE_HOST" in os.environ else None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


#: The words of ``nvml.Facts`` that nvidia-smi knows.
GPU_FIELDS = (
    "name", "driver_version", "compute_cap", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm",
    "clocks.max.mem", "power.limit", "temperature.gpu",
)  # fmt: skip


def gpu() -> dict[str, str]:
    """The first GPU that ``CUDA_VISIBLE_DEVICES`` shows, as NVML tells it; empty where there is none.

    Where NVML's Python package is missing nvidia-smi is asked, which knows a little less.
    """
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        return nvml.first_visible(asked).facts().words()
    except nvml.NotThere as error:
        return {} if error.installed else smi("0" if asked is None else asked.split(",")[0].strip())


def smi(which: str) -> dict[str, str]:
    """What nvidia-smi tells about a GPU, by index or UUID; empty where it tells nothing."""
    if not which.isdecimal() and not which.startswith("GPU-"):
        return {}  # -1 and the empty word hide all of them
    query = ["nvidia-smi", "-i", which, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return {}
    told = zip(GPU_FIELDS, (value.strip() for value in done.stdout.split(",")), strict=False)
    return {name: value for name, value in told if value and not value.startswith("[")}  # [N/A], [Not Supported]
