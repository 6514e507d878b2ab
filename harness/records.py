"""The record: what a run leaves behind, one JSON document per run.

The JSON Schema in ``harness/schema/`` is generated from these models. Sizes are in bytes, times
in seconds unless the name says otherwise; null stands for "not measured".
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, computed_field

from backends.base import Tier
from harness.migrations import CURRENT
from harness.seal import digest
from harness.spec import Frozen, RunSpec

SCHEMA_VERSION: Final = CURRENT
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


class CurvePoint(Frozen):
    """One evaluation on the validation split."""

    step: Annotated[int, Field(ge=0, description="updates done so far")]
    loss: Annotated[float, Field(description="loss on the validation split")]
    train_loss: Annotated[float | None, Field(description="mean training loss since the last point")] = None
    scores: Scores
    seconds: Annotated[Seconds, Field(description="time spent inside training steps so far")]
    losses_sha256: Annotated[
        str | None,
        Field(description="of the training losses of all updates so far, each as a little-endian float64"),
    ] = None


class Gate(Frozen):
    """How far a few updates of a small batch were from the float64 reference, relatively."""

    steps: int
    batch: int
    length: Annotated[int | None, Field(description="of its sequences, where they were shorter than the job's")] = None
    loss_distance: float
    parameter_distance: float
    tolerance: float
    passed: bool


class Metrics(Frozen):
    """What was measured. Throughput is of the steady state; the first chunk is kept apart."""

    final_loss: Annotated[float, Field(description="test loss of the reported parameters")]
    score: Annotated[Scores, Field(description="test scores of the reported parameters, by name")]
    score_step: Annotated[int, Field(description="the update after which they were taken")]
    main_score: Annotated[str, Field(description="the score that decides whether the task is solved")]
    higher_is_better: bool
    baseline: Annotated[Scores, Field(description="what a model that learned nothing reaches, by score")]
    landmarks: Annotated[dict[str, float], Field(description="further named levels of the loss")] = {}
    solved: bool
    steps_to: Annotated[
        dict[str, int | None], Field(description="first evaluated update at which the main score passed a level")
    ] = {}

    train_sequences_per_second: Spread | None
    train_time_steps_per_second: Spread | None
    step_ms: Spread | None
    predict_sequences_per_second: Spread | None
    predict_time_steps_per_second: Spread | None

    import_s: Annotated[Seconds, Field(description="importing the framework, NumPy included")]
    data_s: Annotated[Seconds, Field(description="drawing or loading data on the host, in total")]
    gate_s: Annotated[Seconds, Field(description="the parity check before the run")]
    build_s: Annotated[Seconds, Field(description="constructing model and optimizer on the device")]
    first_step_s: Annotated[Seconds, Field(description="the first update, with all tracing and compiling it causes")]
    compile_s: Annotated[
        Seconds | None, Field(description="what the first update took beyond a median one of the steady state")
    ]
    stage_s: Annotated[Seconds, Field(description="moving batches to the device, in total")]
    train_s: Annotated[Seconds, Field(description="inside training steps, in total, the first one included")]
    evaluate_s: Annotated[Seconds, Field(description="predicting and scoring held-out data, in total")]
    wall_s: Annotated[Seconds, Field(description="the worker's life from its first line to its last figure")]

    host_import_bytes: Annotated[Bytes | None, Field(description="resident after importing the framework")]
    host_init_bytes: Annotated[Bytes | None, Field(description="resident after data, gate, model and optimizer")]
    host_peak_bytes: Annotated[Bytes | None, Field(description="the kernel's high-water mark since then")]
    device_init_bytes: Bytes | None = None
    device_peak_bytes: Bytes | None = None
    device_train_s: Annotated[
        Seconds | None,
        Field(description="from the first to the last work of each block on the device, by its own events, in total"),
    ] = None
    device_process_bytes: Annotated[
        Bytes | None,
        Field(description="of the device, held by the worker at most: context and pools, as the driver counts"),
    ] = None
    energy_j: Annotated[
        float | None,
        Field(ge=0, description="joules that the whole device took from before the first update to after the last"),
    ] = None
    joules_per_1000_sequences: Annotated[
        float | None, Field(ge=0, description="the same of the steady state, per 1000 sequences trained")
    ] = None
    device_idle_share: Annotated[
        float | None,
        Field(ge=0, le=1, description="of the steady state's time in training and prediction, the device idle"),
    ] = None

    parameters: Annotated[int, Field(description="trainable numbers")]
    flops_per_step: Annotated[int, Field(description="of the matrix products of one update")]
    compilations: Annotated[int, Field(description="traces and compilations, all before the steady state")]


class Noise(Frozen):
    """What disturbed the measurement; null where it could not be told. ``harness.noise`` says when it counts."""

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


class Record(Frozen):
    """One run."""

    schema_version: Literal[3] = SCHEMA_VERSION
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    created: datetime
    status: Status
    reason: Annotated[str | None, Field(description="why the status is not ok")] = None
    spec: RunSpec
    variant: Annotated[str | None, Field(description="the variant that ran")] = None
    tier: Annotated[Tier | None, Field(description="default, best per update, or fused: several updates at once")] = (
        None
    )
    variant_reason: Annotated[str | None, Field(description="why it was chosen")] = None
    executed: Annotated[str | None, Field(description="what computed the recurrence, found by looking")] = None
    gate: Gate | None = None
    deterministic: Annotated[
        bool | None,
        Field(description="whether the backend promises the same losses, bit by bit, here again; null where unknown"),
    ] = None
    environment: Environment
    metrics: Metrics | None = None
    curve: list[CurvePoint] = []
    noise: Noise | None = None
    command: Annotated[str | None, Field(description="makes it again, as a shell takes it")] = None
    log_tail: Annotated[str | None, Field(description="the end of the worker's output, where it matters")] = None

    @computed_field(description="SHA-256 of everything else: see harness.seal")  # type: ignore[prop-decorator]
    @property
    def digest(self) -> str:
        """Of the record's contents, so that a change of any field shows."""
        return digest(self.model_dump(mode="json", exclude={"digest"}))


def json_schema() -> dict[str, Any]:
    """The published JSON Schema of a record."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Record.model_json_schema(mode="serialization"),
    }


if __name__ == "__main__":
    print(json.dumps(json_schema(), indent=1))
