"""A worker's environment variables: what it may inherit and what the spec sets; and a description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from harness.machine import cgroups
from harness.machine.personal import impersonal
from harness.machine.process import available_cpus
from harness.machine.software import library_versions, packages, source_state, sources
from harness.machine.system import container, cpu_flags, cpu_model, memory_bytes, read_line
from harness.machine.topology import Chosen
from harness.records.base import Environment
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec

#: Variables that a worker inherits: they say where things are found, never how numbers are computed.
INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP",
    "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "HARNESS_DATA", "HARNESS_DATASETS", "HARNESS_KERNELS", "HARNESS_TUNED",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CUDA_HOME", "CUDA_PATH", "TRITON_LIBCUDA_PATH",
    "TRITON_PTXAS_PATH", "SYSTEMROOT",
)  # fmt: skip
INHERITED_PREFIXES = ("LC_", "XDG_", "NVIDIA_")

#: Variables that change what a framework or its libraries do. The caller's are not passed on, but named in the record.
STRAY_PREFIXES = (
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "NPY_", "NUMPY_",
    "DNNL_", "ONEDNN_", "TF_", "TF2_", "XLA_", "JAX_", "PJRT_", "NPROC", "KERAS_", "TORCH_", "TORCHINDUCTOR_",
    "PYTORCH_", "ATEN_", "CUDA_", "CUDNN_", "CUBLAS_", "CUPY_", "NCCL_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD",
    "TCMALLOC_", "TRITON_", "PTXAS_", "PYTHONMALLOC", "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONWARNINGS",
)  # fmt: skip

#: Terraform's, which begin like TensorFlow's.
NO_STRAY_PREFIXES = ("TF_CLI", "TF_VAR_")

#: The frameworks on which Keras computes: a worker of one of them computes nothing on another.
KERAS_BACKENDS = ("tensorflow", "jax", "torch")

#: Otherwise TensorFlow and JAX allocate most of a GPU's memory at the start.
MEMORY_AS_NEEDED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def worker_variables(spec: RunSpec | SpeedSpec) -> dict[str, str]:
    """The variables that this spec sets, before any framework starts."""
    threads = str(spec.threads)
    variables = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC", "PJRT_NPROC"),
        threads,
    ) | {
        "KERAS_BACKEND": keras_computes_on(spec.backend),
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


def keras_computes_on(backend: str | None) -> str:
    """The framework on which Keras is to compute in a worker of ``backend``, or of none yet."""
    return backend if backend in KERAS_BACKENDS else "tensorflow"


def device_variables() -> dict[str, str]:
    """Which GPUs a process sees (those that the user chose), numbered as the driver does, with memory as needed."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **MEMORY_AS_NEEDED,
        **({} if asked is None else {"CUDA_VISIBLE_DEVICES": asked}),
    }


def worker_environment(
    variables: Mapping[str, str], caller: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The worker's whole environment, and those of the caller's variables that it does not get.

    Args:
        variables: what the spec sets.
        caller: the environment of this process.
    """
    inherited = {
        name: value for name, value in caller.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    strays = {
        name: impersonal(value)
        for name, value in sorted(caller.items())
        if name.startswith(STRAY_PREFIXES) and not name.startswith(NO_STRAY_PREFIXES)
        if name not in inherited and variables.get(name) != value
    }
    return {**inherited, **variables, "PYTHONUNBUFFERED": "1"}, strays


def describe(variables: Mapping[str, str], strays: Mapping[str, str], chosen: Chosen | None = None) -> Environment:
    """The machine, the Python and the code: everything that is known without importing a framework.

    Args:
        variables: set for the workers; strays: kept from them.
        chosen: the CPUs that were chosen for them; None where no worker was started.
    """
    commit, dirty = source_state()
    return Environment(
        cpu=cpu_model(),
        logical_cpus=os.cpu_count() or 1,
        affinity=sorted(chosen.cpus) if chosen else available_cpus(),
        affinity_reason=chosen.why if chosen else None,
        memory_bytes=memory_bytes(),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=library_versions(),
        variables={name: impersonal(value) for name, value in variables.items()},
        strays=dict(strays),
        git_commit=commit,
        git_dirty=dirty,
        packages=packages(),
        sources=sources(),
        cpu_flags=cpu_flags(),
        cpu_governor=read_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        cgroup=cgroups.limits(),
        cpu_quota=cgroups.cpu_quota(),
        numa_nodes=len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or None,
        libc=" ".join(platform.libc_ver()).strip() or None,
        container=container(),
    )
