"""What records of runs and of contests share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, AwareDatetime, Field, computed_field

import backends
from backends.base import Tier
from harness.records.seal import digest
from harness.specs.base import Count, Frozen, Name, Positive
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec

Status = Literal["ok", "failed", "timeout", "interrupted", "unavailable"]


#: Within these bounds the sum, the product and the ratio of any two figures are finite.
SMALLEST, LARGEST = 1e-100, 1e100
Finite = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Amount = Annotated[float, Field(ge=0, le=LARGEST)]
Magnitude = Annotated[float, Field(ge=SMALLEST, le=LARGEST)]


Scores = dict[str, Finite]


Bytes = Count


Seconds = Annotated[float, Field(ge=0, le=1e12)]


#: From what a clock shows that was never set to dates that every library can convert.
Moment = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]


class Spread(Frozen):
    """A figure measured block by block: median, 10th and 90th percentile over the blocks."""

    median: Amount
    p10: Amount
    p90: Amount
    blocks: Positive

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """The spread of one value per block, percentiles interpolated linearly; None without blocks."""
        if not values:
            return None
        p10, median, p90 = np.percentile(values, [10, 50, 90])
        return cls(median=float(median), p10=float(p10), p90=float(p90), blocks=len(values))


def _above_zero(rate: Spread) -> Spread:
    if (least := min(rate.median, rate.p10, rate.p90)) < SMALLEST:
        raise ValueError(f"a rate is above zero, not {least:g}")
    return rate


#: Of something per second: a block that took no time has none.
Rate = Annotated[Spread, AfterValidator(_above_zero)]


class Ratio(Frozen):
    """How many times as fast as the reference: the median over rounds in which both took a turn."""

    median: Magnitude
    low: Annotated[Magnitude | None, Field(description="of the 95 % bootstrap interval of the median")] = None
    high: Magnitude | None = None
    pairs: Annotated[Positive, Field(description="rounds in which both took a turn")]


class Gate(Frozen):
    """The check before the clock: relative distances from the float64 reference, after updates of a small batch."""

    steps: Count
    batch: Count
    length: Annotated[Count | None, Field(description="length of its sequences, where shorter than the job's")] = None
    loss_distance: Annotated[float | None, Field(description="null where a model brought a reference of its own")]
    parameter_distance: Annotated[float | None, Field(description="null likewise: such a reference has no updates")]
    prediction_distance: Annotated[
        float | None, Field(description="from the reference that a user's own model brought; null for all others")
    ] = None
    gradient_distance: Annotated[
        float | None,
        Field(description="of the backward pass that a user's own cell brought, from central differences of its step"),
    ] = None
    tolerance: float
    passed: bool


class SetUp(Frozen):
    """What it takes to get a worker ready, and the size of what it computes."""

    import_s: Annotated[Seconds, Field(description="importing the framework, NumPy included")]
    gate_s: Annotated[Seconds, Field(description="the gate: the check against the float64 reference")]
    build_s: Annotated[Seconds, Field(description="constructing model and optimizer on the device")]
    parameters: Annotated[Count, Field(description="trainable numbers")]
    flops_per_step: Annotated[
        Positive | None, Field(description="of the matrix products of one update; null for a user's own model")
    ]


class Noise(Frozen):
    """What disturbed the measurement; null where unknown. ``harness.analysis.disturbance`` says when it counts."""

    drift: Annotated[
        Finite | None, Field(description="how much slower the last third of the blocks was than the first, if it was")
    ] = None
    bimodal: Annotated[bool | None, Field(description="the blocks fall into two groups")] = None
    involuntary_switches_per_s: Annotated[Amount | None, Field(description="context switches forced on the worker")] = (
        None
    )
    steal_share: Annotated[Amount | None, Field(description="of the worker's CPUs, taken by the hypervisor")] = None
    outside_share: Annotated[Amount | None, Field(description="of the worker's CPUs, used by other processes")] = None
    throttled: Annotated[Count | None, Field(description="times slowed by heat or by the control group's quota")] = None
    paused_s: Annotated[
        Seconds | None,
        Field(description="stopped or suspended: blocks beyond the typical one, and what the clock left out"),
    ] = None


class Before(Frozen):
    """What others did on the CPUs of a measurement before it started; null where nobody could or did look."""

    share: Annotated[
        Amount | None,
        Field(description="of these CPUs, used by others than this process and its children; null where unknown"),
    ]
    over_s: Annotated[Seconds, Field(description="seconds that were looked at")]
    busiest: Annotated[
        dict[str, Amount], Field(max_length=3, description="CPUs' worth of time that others took, by process name")
    ] = {}
    waited_s: Annotated[Seconds, Field(description="seconds waited for quiet (--wait-quiet)")] = 0.0
    refused: Annotated[bool, Field(description="not measured: others were busy, or nobody knows")] = False


class Blas(Frozen):
    """A BLAS or threading library that the worker had loaded."""

    library: str
    version: str | None = None
    kernel: Annotated[str | None, Field(description="the processor family that it chose its kernels for")] = None
    threads: Count | None = None


class Environment(Frozen):
    """Where the run happened."""

    cpu: str
    logical_cpus: Count
    affinity: Annotated[list[Count], Field(description="CPUs that the worker was allowed to use")] = []
    affinity_reason: Annotated[str | None, Field(description="why these CPUs, of all that could be used")] = None
    memory_bytes: Bytes | None = None
    os: str
    python: Annotated[
        str,
        Field(
            pattern=r"^[0-9]+(\.[0-9]+){0,2}((a|b|rc)[0-9]+)?\+?$", max_length=20, description="version, as in 3.11.9"
        ),
    ]
    versions: Annotated[dict[str, str], Field(description="framework and library versions")]
    threads: Annotated[Count | None, Field(description="threads in force, read back from the framework")] = None
    flushes_denormals: Annotated[bool | None, Field(description="read back by a multiplication")] = None
    variables: Annotated[dict[str, str], Field(description="environment variables set for the worker")] = {}
    strays: Annotated[dict[str, str], Field(description="variables of the caller that were kept from the worker")] = {}
    device_name: Annotated[str | None, Field(description="the GPU, where one was used")] = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    packages: Annotated[dict[str, str], Field(description="every installed distribution and its version")] = {}
    sources: Annotated[dict[str, str], Field(description="SHA-256 of the source of each floor of this project")] = {}
    plugins: Annotated[
        dict[str, str], Field(description="SHA-256 of the source of the task and the backend, where a third party's")
    ] = {}
    cpu_flags: Annotated[list[str], Field(description="instruction sets and other features of the processor")] = []
    cpu_governor: Annotated[str | None, Field(description="how the kernel chooses the clock rate")] = None
    cgroup: Annotated[
        dict[str, str], Field(description="the tightest limits of the control groups, as version 2 writes them")
    ] = {}
    cpu_quota: Annotated[
        Amount | None, Field(description="CPUs' worth of time that the control groups allow; null for no limit")
    ] = None
    numa_nodes: Count | None = None
    libc: str | None = None
    container: Annotated[str | None, Field(description="the kind of container, none where it is none")] = None
    blas: list[Blas] = []
    gpu: Annotated[
        dict[str, str], Field(description="driver, memory, clocks and limits, as nvidia-smi names them")
    ] = {}


class Execution(Frozen):
    """One spec executed by one worker process: what a run's record and a contest's row both say of it."""

    spec: RunSpec | SpeedSpec
    status: Status
    reason: Annotated[str | None, Field(description="why the status is not ok")] = None
    variant: Annotated[Name | None, Field(description="the variant that ran")] = None
    tier: Annotated[Tier | None, Field(description="default, best per update, or fused: several updates at once")] = (
        None
    )
    variant_reason: Annotated[str | None, Field(description="why it was chosen")] = None
    executed: Annotated[str | None, Field(description="what computed the recurrence, found by looking")] = None
    gate: Annotated[
        Gate | Literal["own"] | None, Field(description="own: a user's own model, which nothing was compared with")
    ] = None
    log_tail: Annotated[str | None, Field(description="the end of the worker's output, where it matters")] = None

    @property
    def current_variant(self) -> str:
        """The variant that ran, else the one asked for, by its present name; ``variant`` stays as it was written."""
        return backends.current_variant(self.spec.backend, self.variant or self.spec.variant)

    @property
    def is_stock(self) -> bool:
        """Whether it is the framework's own layer: what ratios are taken to, and what tuning gains on."""
        return backends.is_stock(self.spec.backend, self.current_variant, self.tier)

    @property
    def compared(self) -> Gate | None:
        """What the gate found, where there was a reference to compare with."""
        return self.gate if isinstance(self.gate, Gate) else None

    @property
    def name(self) -> str:
        """Backend and variant, as in "torch nn"."""
        return f"{self.spec.backend} {self.current_variant}"


class Sealed(Frozen):
    """A document with an identity and a digest of its own contents.

    Attributes:
        KIND: the word for its kind in ``harness.records.kinds``.
    """

    KIND: ClassVar[str]
    schema_version: int
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    created: Moment

    @computed_field(description="SHA-256 of everything else: see harness.records.seal")  # type: ignore[prop-decorator]
    @property
    def digest(self) -> str:
        """SHA-256 of all other fields, in hexadecimal: a change of any of them shows."""
        return digest(self.model_dump(mode="json", exclude={"digest"}))
