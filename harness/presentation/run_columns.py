"""The columns of a table of records: what each is called, what it says and where it is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from harness.analysis.disturbance import flags
from harness.records.run import Record

Kind = Literal["string", "Int64", "float64", "boolean", "datetime64[us, UTC]"]


MIB = 2**20


class Column(NamedTuple):
    """One column: what it means, what it holds, where it comes from."""

    about: str
    kind: Kind
    get: Callable[[Record], Any]


def _at(path: str) -> Callable[[Record], Any]:
    """Follow a dotted path into a record; None where a part on the way is missing."""
    names = path.split(".")

    def get(record: Record) -> Any:
        value: Any = record
        for name in names:
            if value is None:
                return None
            value = getattr(value, name)
        return value

    return get


def _metric(name: str) -> Callable[[Record], Any]:
    return _at(f"metrics.{name}")


def _mib(name: str) -> Callable[[Record], float | None]:
    get = _metric(name)
    return lambda record: None if (found := get(record)) is None else found / MIB


def _growth_mib(record: Record) -> float | None:
    m = record.metrics
    if m is None or m.host_peak_bytes is None or m.host_init_bytes is None:
        return None
    return max(0, m.host_peak_bytes - m.host_init_bytes) / MIB


def _score(record: Record) -> float | None:
    return _named("score")(record).get(record.metrics.main_score) if record.metrics else None


def _baseline(record: Record) -> float | None:
    return _named("baseline")(record).get(record.metrics.main_score) if record.metrics else None


def _named(field: str) -> Callable[[Record], Mapping[str, Any]]:
    """The values that a mapping among the metrics holds by name."""
    return lambda record: getattr(record.metrics, field, {})


def _gflops(record: Record) -> float | None:
    m = record.metrics
    return None if m is None or m.step_ms is None or not m.step_ms.median else m.flops_per_step / m.step_ms.median / 1e6


def _versions(record: Record) -> str:
    return " ".join(f"{name}={version}" for name, version in sorted(record.environment.versions.items()))


def _spread(name: str, field: str, about: str) -> dict[str, Column]:
    """Three columns: the median over timed blocks, and the 10th and 90th percentile."""
    return {
        name: Column(f"{about}: median over timed blocks", "float64", _metric(f"{field}.median")),
        f"{name}_p10": Column(f"{about}: 10th percentile", "float64", _metric(f"{field}.p10")),
        f"{name}_p90": Column(f"{about}: 90th percentile", "float64", _metric(f"{field}.p90")),
    }


#: Every fixed column. Further ones come with the records: see ``PREFIXES``.
COLUMNS: dict[str, Column] = {
    "id": Column("the record's name, also its file's", "string", _at("id")),
    "created": Column("when the run was recorded, UTC", "datetime64[us, UTC]", _at("created")),
    "status": Column("ok, failed, timeout, interrupted or unavailable", "string", _at("status")),
    "reason": Column("why the status is not ok", "string", _at("reason")),
    "task": Column("what is learned", "string", _at("spec.task")),
    "preset": Column("the task's sizes, by name", "string", _at("spec.preset")),
    "backend": Column("the framework", "string", _at("spec.backend")),
    "variant": Column(
        "how the framework computed the cell", "string", lambda record: record.variant or record.spec.variant
    ),
    "tier": Column("default, best per update, or fused: several updates at once", "string", _at("tier")),
    "executed": Column("what computed the recurrence, found by looking", "string", _at("executed")),
    "version": Column(
        "version of the framework", "string", lambda record: record.environment.versions.get(record.spec.backend)
    ),
    "device": Column("cpu or cuda", "string", _at("spec.device")),
    "precision": Column("float32, float64, tf32 or bfloat16", "string", _at("spec.precision")),
    "cell": Column("the recurrence", "string", _at("spec.model.cell")),
    "hidden": Column("width of the recurrent state", "Int64", _at("spec.model.hidden")),
    "layers": Column("recurrent layers", "Int64", _at("spec.model.layers")),
    "bidirectional": Column("whether each layer also runs backwards", "boolean", _at("spec.model.bidirectional")),
    "parameters": Column("trainable numbers", "Int64", _metric("parameters")),
    "batch": Column("sequences per update", "Int64", _at("spec.batch")),
    "steps": Column("updates", "Int64", _at("spec.steps")),
    "chunk": Column("updates per timed block", "Int64", _at("spec.chunk")),
    "evaluate_every": Column("updates between two evaluations", "Int64", _at("spec.evaluate_every")),
    "seed": Column("of the training data and of the initial parameters", "Int64", _at("spec.seed")),
    "threads": Column("threads of the framework, and CPUs it may use", "Int64", _at("spec.threads")),
    "denormals": Column("whether the CPU flushes denormal numbers or keeps them", "string", _at("spec.denormals")),
    "deterministic": Column("whether deterministic kernels were asked for", "boolean", _at("spec.deterministic")),
    "optimizer": Column("the update rule", "string", _at("spec.optimizer.name")),
    "lr": Column("its learning rate", "float64", _at("spec.optimizer.lr")),
    "clip": Column("largest global norm of the gradient", "float64", _at("spec.optimizer.clip")),
    "init_recurrent": Column("initial recurrent matrices", "string", _at("spec.initialisation.recurrent")),
    "init_input": Column("initial input matrices", "string", _at("spec.initialisation.input")),
    "forget_bias": Column("initial bias of the forget gate", "float64", _at("spec.initialisation.forget_bias")),
    "chrono": Column("longest dependency assumed by chrono initialisation", "Int64", _at("spec.initialisation.chrono")),
    "score_name": Column("the score that decides whether the task is solved", "string", _metric("main_score")),
    "score": Column("that score on the test split", "float64", _score),
    "baseline": Column("what a model that learned nothing reaches", "float64", _baseline),
    "solved": Column("whether the test scores solve the task", "boolean", _metric("solved")),
    "score_at": Column(
        "which parameters are scored: the final or the best on validation", "string", _at("spec.score_at")
    ),
    "score_step": Column("the update after which they were taken", "Int64", _metric("score_step")),
    "final_loss": Column("test loss of the scored parameters", "float64", _metric("final_loss")),
    **_spread("train_seq_s", "train_sequences_per_second", "sequences trained per second"),
    **_spread("train_time_step_s", "train_time_steps_per_second", "time steps trained per second"),
    **_spread("step_ms", "step_ms", "milliseconds per update"),
    **_spread("predict_seq_s", "predict_sequences_per_second", "sequences predicted per second"),
    **_spread("predict_time_step_s", "predict_time_steps_per_second", "time steps predicted per second"),
    "flops_per_step": Column(
        "floating-point operations of one update's matrix products", "Int64", _metric("flops_per_step")
    ),
    "gflops": Column("flops_per_step over the median step time, in 10⁹ per second", "float64", _gflops),
    "import_s": Column("importing the framework", "float64", _metric("import_s")),
    "data_s": Column("drawing or loading data on the host, in total", "float64", _metric("data_s")),
    "gate_s": Column("the parity check before the run", "float64", _metric("gate_s")),
    "build_s": Column("constructing model and optimizer on the device", "float64", _metric("build_s")),
    "first_step_s": Column("the first update, with all tracing and compiling", "float64", _metric("first_step_s")),
    "compile_s": Column("what the first update took beyond a median one", "float64", _metric("compile_s")),
    "stage_s": Column("moving batches to the device, in total", "float64", _metric("stage_s")),
    "train_s": Column("inside training steps, in total, the first included", "float64", _metric("train_s")),
    "evaluate_s": Column("predicting and scoring held-out data, in total", "float64", _metric("evaluate_s")),
    "wall_s": Column("the worker's life, from its first line to its last figure", "float64", _metric("wall_s")),
    "compilations": Column("traces and compilations, all before the steady state", "Int64", _metric("compilations")),
    "host_growth_mib": Column("host peak minus host_init_mib, in MiB: what training took", "float64", _growth_mib),
    "host_peak_mib": Column("the kernel's high-water mark while training, in MiB", "float64", _mib("host_peak_bytes")),
    "host_init_mib": Column(
        "resident after data, gate, model and optimizer, in MiB", "float64", _mib("host_init_bytes")
    ),
    "host_import_mib": Column("resident after importing the framework, in MiB", "float64", _mib("host_import_bytes")),
    "device_init_mib": Column("on the device after model and optimizer, in MiB", "float64", _mib("device_init_bytes")),
    "device_peak_mib": Column("the allocator's peak on the device, in MiB", "float64", _mib("device_peak_bytes")),
    "device_process_mib": Column(
        "held on the device by the worker at most, as the driver counts, in MiB",
        "float64",
        _mib("device_process_bytes"),
    ),
    "energy_j": Column("joules that the device took from the first update to the last", "float64", _metric("energy_j")),
    "joules_per_1000_sequences": Column(
        "joules per 1000 sequences trained, in the steady state", "float64", _metric("joules_per_1000_sequences")
    ),
    "device_train_s": Column(
        "seconds of all training blocks by the device's own events: beside train_s, by the host's clock",
        "float64",
        _metric("device_train_s"),
    ),
    "device_idle_share": Column(
        "of the time in training and prediction, the share in which the device was idle",
        "float64",
        _metric("device_idle_share"),
    ),
    "gate": Column(
        "relative distance of the parameters from the float64 reference", "float64", _at("gate.parameter_distance")
    ),
    "gate_loss": Column(
        "relative distance of the losses from the float64 reference", "float64", _at("gate.loss_distance")
    ),
    "gate_passed": Column("whether both were within tolerance", "boolean", _at("gate.passed")),
    "noise": Column(
        "what disturbed the measurement: drift, bimodal, preempted, steal, load, throttled; none where nothing did",
        "string",
        lambda record: " ".join(flags(record.noise)) or ("none" if record.noise else None),
    ),
    "cpu": Column("the processor", "string", _at("environment.cpu")),
    "logical_cpus": Column("logical processors of the machine", "Int64", _at("environment.logical_cpus")),
    "os": Column("the operating system", "string", _at("environment.os")),
    "python": Column("version of Python", "string", _at("environment.python")),
    "versions": Column("of all libraries, as name=version", "string", _versions),
    "git_commit": Column("commit of the harness", "string", _at("environment.git_commit")),
    "git_dirty": Column("whether its code differed from that commit", "boolean", _at("environment.git_dirty")),
}


#: Columns that depend on the records: a prefix, what follows it, and the values by that name.
PREFIXES: dict[str, tuple[str, Callable[[Record], Mapping[str, Any]]]] = {
    "P.": ("a parameter of the task, such as P.length", attrgetter("spec.parameters")),
    "score.": ("a test score, such as score.mse", _named("score")),
    "baseline.": ("what a model that learned nothing reaches of a score", _named("baseline")),
    "steps_to.": ("first evaluated update at which the main score passed a level", _named("steps_to")),
}


#: Column to one-line description, the open-ended ones included.
DESCRIPTIONS: dict[str, str] = {name: column.about for name, column in COLUMNS.items()} | {
    f"{prefix}<name>": about for prefix, (about, _) in PREFIXES.items()
}
