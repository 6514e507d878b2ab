"""What records of runs and of contests share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.specs.base import Frozen

Status = Literal["ok", "failed", "timeout", "interrupted", "unavailable"]


Scores = dict[str, float]


Bytes = Annotated[int, Field(ge=0)]


Seconds = Annotated[float, Field(ge=0)]


class Spread(Frozen):
    """A figure measured block by block."""

    median: float
    p10: float
    p90: float
    blocks: int


class Ratio(Frozen):
    """How many times as fast as the reference, pair by pair."""

    median: float
    low: Annotated[float | None, Field(description="of the 95 % bootstrap interval of the median")] = None
    high: float | None = None
    pairs: Annotated[int, Field(description="rounds in which both had a turn")]


class Gate(Frozen):
    """How far a few updates of a small batch were from the float64 reference, relatively."""

    steps: int
    batch: int
    length: Annotated[int | None, Field(description="of its sequences, where they were shorter than the job's")] = None
    loss_distance: float
    parameter_distance: float
    tolerance: float
    passed: bool


class Noise(Frozen):
    """What disturbed the measurement; null where unknown. ``harness.analysis.disturbance`` says when it counts."""

    drift: Annotated[
        float | None, Field(description="how much slower the last third of the blocks was than the first, if it was")
    ] = None
    bimodal: Annotated[bool | None, Field(description="the blocks fall into two groups")] = None
    involuntary_switches_per_s: Annotated[float | None, Field(description="context switches forced on the worker")] = (
        None
    )
    steal_share: Annotated[float | None, Field(description="of the worker's CPUs, taken by the hypervisor")] = None
    outside_share: Annotated[float | None, Field(description="of the worker's CPUs, used by other processes")] = None
    throttled: Annotated[int | None, Field(description="times slowed for heat or by the control group's quota")] = None


class Blas(Frozen):
    """A library of matrix products or of threads that the worker had loaded."""

    library: str
    version: str | None = None
    kernel: Annotated[str | None, Field(description="the processor family that it chose its kernels for")] = None
    threads: int | None = None


class Environment(Frozen):
    """Where the run happened."""

    cpu: str
    logical_cpus: int
    affinity: Annotated[list[int], Field(description="CPUs that the worker was allowed to use")] = []
    memory_bytes: Bytes | None = None
    os: str
    python: str
    versions: Annotated[dict[str, str], Field(description="framework and library versions")]
    threads: Annotated[int | None, Field(description="threads in force, read back from the framework")] = None
    flushes_denormals: Annotated[bool | None, Field(description="read back by a multiplication")] = None
    variables: Annotated[dict[str, str], Field(description="environment variables set for the worker")] = {}
    strays: Annotated[dict[str, str], Field(description="variables of the caller that were kept from the worker")] = {}
    device_name: Annotated[str | None, Field(description="the GPU, where one was used")] = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    packages: Annotated[dict[str, str], Field(description="every installed distribution and its version")] = {}
    sources: Annotated[dict[str, str], Field(description="SHA-256 of the source of each floor of this project")] = {}
    cpu_flags: Annotated[list[str], Field(description="instruction sets and other features of the processor")] = []
    cpu_governor: Annotated[str | None, Field(description="how the kernel chooses the clock rate")] = None
    cgroup: Annotated[dict[str, str], Field(description="the control group's limits, as the kernel writes them")] = {}
    numa_nodes: int | None = None
    libc: str | None = None
    container: Annotated[str | None, Field(description="the kind of container, none where it is none")] = None
    blas: list[Blas] = []
    gpu: Annotated[
        dict[str, str], Field(description="driver, memory, clocks and limits, as nvidia-smi names them")
    ] = {}
