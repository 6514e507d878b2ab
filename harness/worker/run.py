"""One run from its spec to its metrics."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tasks
from backends import parameters as canonical
from backends.job import ModelSpec, Parameters, host_dtype
from harness.errors import RunFailed
from harness.machine import software
from harness.protocol import Disturbance, Gpu, Kept, Measured, Point, Progress, Run, Software
from harness.records.run import CurvePoint, Metrics, throughput
from harness.specs.run import RunSpec
from harness.worker import energy, noise, own, preparation
from harness.worker.clocks import Clocks
from harness.worker.data import Data
from harness.worker.preparation import Emit
from harness.worker.training import Outcome, Training, first_crossings
from tasks.base import Task

REPORT_EVERY_S = 0.5


def measure(request: Run, started: float, numpy_s: float, emit: Emit) -> None:
    """Execute a run spec and report the results.

    Args:
        request: the run spec, and where arrays come from and go to.
        started: the moment at which this process began, by ``time.perf_counter``.
        numpy_s: seconds that importing NumPy took.

    Raises:
        Unsupported: the spec cannot be computed here.
        DataUnavailable: the task's data cannot be had.
        RunFailed: the data, the gate, the loss, a compilation in the steady state, another computation than the
            name says, or parameters to start from that are not there.
    """
    clocks = Clocks(time.perf_counter, {"import": numpy_s})
    spec = RunSpec.model_validate(request.spec)
    backend = preparation.load(spec.backend, clocks)
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job, host_import = preparation.start(backend, spec, spec.job(task), emit)
    job = own.with_model(job, spec, request.model)
    known: dict[str, Any]
    with clocks("data"):
        known = {"baseline": dict(task.baseline), "landmarks": dict(task.landmarks)}
        sure = None if spec.patience is None else spec.sure_steps
        data = Data(task, host_dtype(spec.precision), spec.dropping(task), sure)
        data.draw(0, spec.batch)  # data that is missing or not finite is reported before anything is built
    drawn = canonical.initial(job.model, spec.initialisation_spec(), spec.seed) if job.own is None else {}
    start = _handed(request, job.model) if spec.start else None
    with data.explained(), own.explained_after_gate(job):
        trainer = preparation.build(backend, job, data.draw, drawn, clocks, emit, start=start)
        meter = _meter(spec, clocks, request.updates)
        training = Training(spec, task, trainer, clocks, _throttled(emit), _emit_point(emit), meter, data,
                            keep=request.keep is not None)  # fmt: skip
        memory = preparation.Memory(trainer)
        outcome = _observed(training, emit, request.updates)
    emit(Gpu(meter.gpu))
    metrics = Metrics(
        **known, **_learned(task, outcome), **_spent(clocks),
        **throughput(outcome.train_blocks, outcome.predict_blocks, spec.batch, task.steps_in, outcome.first_step_s),
        first_step_s=outcome.first_step_s, wall_s=time.perf_counter() - started,
        host_import_bytes=host_import, **memory.levels, **memory.peaks(),
        device_train_s=training.device_s, **meter.figures(spec.batch),
        **preparation.counted(job, trainer), compilations=outcome.compilations,
        **_learned_from(task, spec, data, outcome.updates),
    )  # fmt: skip
    with own.explained_after_gate(job):
        preparation.check_executed(backend, job, trainer, data.draw(0, spec.batch), emit)
    plugins = software.plugins(spec.backend, spec.task)
    emit(Software(software.packages(), software.library_versions(), platform.python_version(), plugins))
    emit(Measured(metrics.model_dump()))
    if request.keep is not None:  # all clocks have stopped, and memory was read
        emit(Kept(_keep(Path(request.keep), training)))


def _handed(request: Run, model: ModelSpec) -> Parameters:
    """The parameters that the parent handed over, in canonical order; backends round them to the run's type.

    Raises:
        RunFailed: there are none, or others.
    """
    if request.start is None:
        raise RunFailed("the spec starts from saved parameters, which were not handed over")
    with np.load(request.start, allow_pickle=False) as file:
        found = {name: file[name].astype(np.float64) for name in file.files}
    expected = canonical.shapes(model)
    if {name: array.shape for name, array in found.items()} != expected:
        raise RunFailed("the parameters that were handed over do not fit the spec")
    return {name: found[name] for name in expected}


def _keep(path: Path, training: Training) -> str | None:
    """Write the scored parameters and their predictions; why that was not possible, or None."""
    parameters, predictions = training.scored()
    arrays = {**parameters, "predictions": predictions}
    try:
        with path.open("wb") as file:
            rounded = {name: np.ascontiguousarray(array, training.dtype) for name, array in arrays.items()}
            np.savez(file, **rounded)  # type: ignore[arg-type]
    except OSError as error:
        return error.strerror or str(error)
    return None


def _meter(spec: RunSpec, clocks: Clocks, updates: int | None) -> energy.Meter:
    ends = updates or (None if spec.patience is None else spec.evaluate_every)
    meter, why_unread = energy.of_run(spec.device, clocks, spec.chunk, spec.steps, ends)
    if why_unread:
        print(f"energy and idle time of the device are not measured: {why_unread}", file=sys.stderr)
    return meter


def _observed(training: Training, emit: Emit, updates: int | None) -> Outcome:
    """Train, and report what disturbed it."""
    before = noise.read(time.perf_counter())
    outcome = training(updates)
    after = noise.read(time.perf_counter())
    disturbed = noise.judge(
        outcome.train_blocks, before, after, training.spec.threads, (outcome.predict_blocks, outcome.prepared)
    )
    emit(Disturbance(disturbed.model_dump(), preparation.blas()))
    return outcome


def _learned(task: Task, outcome: Outcome) -> dict[str, Any]:
    return {
        "final_loss": outcome.loss,
        "score": outcome.scores,
        "score_step": outcome.score_step,
        "stopped_at": outcome.stopped_at,
        "main_score": task.score_name,
        "higher_is_better": task.higher_is_better,
        "solved": task.solved(outcome.scores),
        "steps_to": first_crossings(task, outcome.curve),
        "marks": outcome.marks,
    }


def _learned_from(task: Task, spec: RunSpec, data: Data, updates: int) -> dict[str, Any]:
    per_epoch = task.updates_per_epoch(spec.batch)
    return {
        "data_sha256": data.digest(),
        "data_set": task.data_set(),
        "epochs": updates / per_epoch if per_epoch else None,
    }


def _spent(clocks: Clocks) -> dict[str, Any]:
    return {f"{name}_s": clocks[name] for name in ("import", "data", "gate", "build", "stage", "train", "evaluate")}


def _emit_point(emit: Emit) -> Callable[[CurvePoint], None]:
    return lambda point: emit(Point(point.model_dump()))


def _throttled(emit: Emit) -> Callable[[Progress], None]:
    """Progress no more often than a person can read: writing it is not what is measured."""
    last = 0.0

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= REPORT_EVERY_S:
            last = now
            emit(progress)

    return report
