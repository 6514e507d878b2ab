"""The worker's side of a contest: get ready, then follow orders, each block of updates or predictions timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from backends import parameters as canonical
from backends.base import Backend, Probe, Trainer
from backends.job import Array, Job
from backends.synthetic import random_batches
from harness.errors import RunFailed
from harness.protocol import (
    Armed,
    BlockDone,
    Contest,
    Disturbance,
    Finish,
    Limits,
    Order,
    Peaks,
    ReadLimits,
    Ready,
    Steady,
    Turn,
)
from harness.records import speed
from harness.records.base import Noise
from harness.records.figures import Block
from harness.specs.speed import ContestantSpec, Measure, SpeedSpec
from harness.worker import noise, own, preparation
from harness.worker.clocks import Clocks
from harness.worker.gate import check_prediction
from harness.worker.preparation import Emit, Memory
from tasks.base import Batch

#: Readings of a limit each time, after a first one that is discarded.
READINGS = 3
#: Most time steps of a sequence in the gate: the reference would take minutes over Braun's 1000 steps of four layers.
GATE_LENGTH = 64
#: A turn that took no time by the clock has no place in a distribution.
SHORTEST_TURN_S = 1e-9


def draw(spec: SpeedSpec, index: int, size: int) -> Batch:
    """Batch number ``index`` of ``size`` random sequences and targets: the same bits for every backend."""
    (batch,) = random_batches(spec.job().resized(size), 1, [spec.seed, index], spec.shortest)
    return batch


class StagedTrainer:
    """A trainer with its batches on the device: they are staged once and used again in every turn."""

    def __init__(self, spec: SpeedSpec, job: Job, trainer: Trainer, whole: bool) -> None:
        """``whole``: whether the trainer can only do whole chunks."""
        self.spec, self.job, self.trainer = spec, job, trainer
        self.smallest = job.chunk if whole else 1
        self.blocks: list[Block] = []
        self.counted: noise.Counters | None = None
        self.staged = cache(self._stage)

    def first(self) -> tuple[int, float]:
        """The first call: its updates, one or a whole chunk, and its seconds."""
        return self.smallest, self._timed(self.staged(self.smallest))

    def turn(self, steps: int) -> float:
        """Seconds for ``steps`` updates, handed over in chunks.

        Before them comes a call that is not timed: other contestants had the caches and the cores since the last turn.

        Raises:
            RunFailed: a loss is not finite, or ``steps`` is no whole number of chunks.
        """
        size = min(steps, self.job.chunk)
        if steps % size:
            raise RunFailed(f"{steps} updates are no whole number of chunks of {size}")
        wake, staged = self.staged(self.smallest), self.staged(size)
        before = noise.read(time.perf_counter())  # not between the two: that would cool the caches again
        self._timed(wake)
        seconds = sum(self._timed(staged) for _ in range(steps // size))
        self.counted = noise.spent(before, noise.read(time.perf_counter()), self.counted)
        self.blocks.append(Block(steps, max(seconds, SHORTEST_TURN_S)))
        return seconds

    def steady(self) -> None:
        """From now on turns count: what disturbed those before disturbed no figure."""
        self.blocks, self.counted = [], None

    def disturbed(self) -> Noise:
        """What disturbed the turns since ``steady``."""
        return noise.judge_turns(self.blocks, self.counted, self.spec.threads)

    def _timed(self, staged: Any) -> float:
        start = time.perf_counter()
        losses = self.trainer.train(staged)
        seconds = time.perf_counter() - start
        if not np.isfinite(losses).all():
            raise RunFailed("training diverged: the loss is not finite")
        return seconds

    def _stage(self, updates: int) -> Any:
        return self.trainer.stage(self._batches(updates))

    def _batches(self, number: int) -> list[Batch]:
        return [draw(self.spec, index, self.spec.batch).astype(self.job.dtype) for index in range(number)]


class StagedPredictions(StagedTrainer):
    """The same with a prediction in place of each update: batch by batch, from the host and back."""

    def _timed(self, staged: list[Any]) -> float:
        start = time.perf_counter()
        for inputs in staged:
            found = self._predict(inputs)
        seconds = time.perf_counter() - start
        if not np.isfinite(self._fetched(found)).all():
            raise RunFailed("prediction: an output is not finite")
        return seconds

    def _stage(self, updates: int) -> list[Any]:
        return [(batch.x, batch.lengths) for batch in self._batches(updates)]

    def _predict(self, inputs: Any) -> Any:
        return self.trainer.predict(*inputs)

    def _fetched(self, found: Any) -> Array:
        outputs: Array = found
        return outputs


class ResidentPredictions(StagedPredictions):
    """The same of inputs that are on the device before the clock starts; the outputs stay there."""

    def _stage(self, updates: int) -> list[Any]:
        return [self.trainer.stage_inputs(*inputs) for inputs in super()._stage(updates)]

    def _predict(self, inputs: Any) -> Any:
        return self.trainer.predict_staged(inputs)

    def _fetched(self, found: Any) -> Array:
        return self.trainer.fetch(found)


#: What takes the turns, by what is measured.
TURNS: dict[Measure, type[StagedTrainer]] = {
    "train": StagedTrainer, "predict": StagedPredictions, "predict-resident": ResidentPredictions,
}  # fmt: skip


def take_turns(request: Contest, numpy_s: float, emit: Emit, orders: Iterator[Order]) -> None:
    """Get ready, then follow orders until the one to finish.

    Args:
        request: the speed spec, and where a user's own model is found.
        numpy_s: seconds that importing NumPy took.

    Raises:
        Unsupported: the spec cannot be computed here.
        RunFailed: the gate, a loss, a compilation in the steady state, or another computation than the name says.
    """
    clocks = Clocks(time.perf_counter, {"import": numpy_s})
    spec = ContestantSpec.model_validate(request.spec)
    backend = preparation.load(spec.backend, clocks)
    job, host_import = preparation.start(backend, spec, spec.job(), emit)
    job = own.with_model(job, spec, request.model)
    trainer = _build(backend, spec, job, clocks, emit)
    memory = Memory(trainer)
    fused = backend.variant(job).tier == "fused"
    staged = TURNS[spec.measure](spec, job, trainer, whole=fused and not spec.predicts)
    with own.explained_after_gate(job):
        updates, first_s = staged.first()
    cost = speed.Ready(
        import_s=clocks["import"],
        gate_s=clocks["gate"],
        build_s=clocks["build"],
        first_s=first_s,
        first_updates=updates,
        host_import_bytes=host_import,
        **memory.levels,
        **_counted(spec, job, trainer),
    )
    emit(Ready(cost.model_dump()))
    with own.explained_after_gate(job):
        _follow(orders, staged, backend, memory, emit)
    preparation.check_executed(backend, job, trainer, draw(spec, 0, spec.batch), emit)


def _build(backend: Backend, spec: SpeedSpec, job: Job, clocks: Clocks, emit: Emit) -> Trainer:
    """A trainer that passed the gate, which sees shorter sequences where the spec's are long."""
    drawn = canonical.initial(job.model, canonical.InitialisationSpec(), spec.seed) if job.own is None else {}
    short = spec.shortened(GATE_LENGTH)
    gate_job = replace(job, length=short.length, labels=short.labels) if short != spec else None

    def drawn_short(index: int, size: int) -> Batch:
        return draw(short, index, size)

    if spec.predicts and job.own is None:
        with clocks("gate"):
            check_prediction(backend, gate_job or job, drawn_short, drawn)
    return preparation.build(backend, job, drawn_short, drawn, clocks, emit, gate_job)


def _counted(spec: SpeedSpec, job: Job, trainer: Trainer) -> dict[str, Any]:
    """What an update takes by arithmetic, or a prediction where that is measured."""
    counted = preparation.counted(job, trainer)
    if job.own is not None:
        return counted
    if spec.predicts:
        return counted | {
            "flops_per_step": canonical.flops_of_prediction(job.model, job.batch, job.length),
            "bytes_per_step": canonical.bytes_of_prediction(job.model, job.batch, job.length, job.precision),
            "dependent_steps": canonical.dependent_steps_of_prediction(job.model, job.length),
        }
    return counted | {
        "bytes_per_step": canonical.bytes_per_step(job.model, job.batch, job.length, job.precision, job.optimizer.name),
        "dependent_steps": canonical.dependent_steps(job.model, job.length),
    }  # fmt: skip


def _follow(orders: Iterator[Order], staged: StagedTrainer, backend: Backend, memory: Memory, emit: Emit) -> None:
    """Carry out the orders. Raises RunFailed where something compiled after ``Steady``."""
    compiled: int | None = None
    for order in orders:
        match order:
            case Turn(steps):
                emit(BlockDone(steps, staged.turn(steps)))
            case ReadLimits():
                memory.peaks()
                emit(Limits(_limits(backend, staged.job)))
            case Steady():
                staged.steady()
                compiled = staged.trainer.compilations()
                emit(Armed())
            case Finish():
                break
    now = staged.trainer.compilations()
    emit(Disturbance(staged.disturbed().model_dump(), []))
    emit(Peaks(**memory.peaks(), compilations=now))
    if compiled is not None and now != compiled:
        raise RunFailed(
            f"something was traced or compiled again in the steady state ({now} compilations, {compiled} after "
            "warm-up): its timing would not be a steady state's"
        )


def _limits(backend: Backend, job: Job) -> dict[str, list[float]] | None:
    """Readings for ``records.speed.Limits``; None where the backend has no probes."""
    probes = backend.probes(job)
    if probes is None:
        return None
    return {
        "gflops": [probes.product.amount / seconds / 1e9 for seconds in _seconds(probes.product)],
        "gb_per_s": [probes.copy.amount / seconds / 1e9 for seconds in _seconds(probes.copy)],
        "us_per_step": [1e6 * seconds / probes.step.amount for seconds in _seconds(probes.step)],
    }


def _seconds(probe: Probe) -> list[float]:
    """Seconds of each reading but the first, which may compile."""
    readings = []
    for reading in range(READINGS + 1):
        start = time.perf_counter()
        probe.run()
        seconds = time.perf_counter() - start
        if reading and seconds > 0:
            readings.append(seconds)
    return readings
