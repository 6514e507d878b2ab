"""The worker's side of a contest: stand ready, then do updates when told to, each block on the clock.

Lines on standard input: ``{"turn": n}`` for n updates, ``{"limits": true}`` for what the machine gives,
``{"steady": true}`` once nothing may compile any more, ``{"finish": true}`` for memory and an end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from backends import parameters as canonical
from backends.base import Backend, Probe, Trainer
from backends.job import Job
from backends.synthetic import random_batches
from harness.errors import RunFailed
from harness.machine import process
from harness.specs.speed import SpeedSpec
from harness.worker import preparation as prepare
from harness.worker.clocks import Clocks
from harness.worker.preparation import Emit
from tasks.base import Batch

#: Readings of a limit in one go, after one that is not kept.
READINGS = 3
#: Most steps of the gate's sequences: its reference would take minutes over Braun's 1000 steps of four layers.
GATE_LENGTH = 64


def draw(spec: SpeedSpec, index: int, size: int) -> Batch:
    """Batch number ``index`` of ``size`` random sequences and targets: the same bits for every backend."""
    (batch,) = random_batches(spec.job().resized(size), 1, [spec.seed, index], spec.shortest)
    return batch


class Contestant:
    """A trainer with its batches on the device. They are staged once and used again in every turn."""

    def __init__(self, spec: SpeedSpec, job: Job, trainer: Trainer, whole: bool) -> None:
        self.spec, self.job, self.trainer, self.whole = spec, job, trainer, whole
        self.staged = cache(self._stage)

    def first(self) -> tuple[int, float]:
        """The first call: one update, or one chunk where a programme is one; its updates and seconds."""
        updates = self.job.chunk if self.whole else 1
        staged = self.staged(updates)
        return updates, self._train(staged)

    def turn(self, steps: int) -> float:
        """Seconds for ``steps`` updates, handed over in chunks, after some that are not timed.

        Others had the caches and the cores in between: those first updates find them cold.
        """
        size = min(steps, self.job.chunk)
        if steps % size:
            raise RunFailed(f"{steps} updates are no whole number of chunks of {size}")
        wake, staged = self.staged(self.job.chunk if self.whole else 1), self.staged(size)
        self._train(wake)
        return sum(self._train(staged) for _ in range(steps // size))

    def _train(self, staged: Any) -> float:
        start = time.perf_counter()
        losses = self.trainer.train(staged)
        seconds = time.perf_counter() - start
        if not np.isfinite(losses).all():
            raise RunFailed("training diverged: the loss is not finite")
        return seconds

    def _stage(self, updates: int) -> Any:
        batches = [draw(self.spec, index, self.spec.batch).astype(self.job.dtype) for index in range(updates)]
        return self.trainer.stage(batches)


class Memory:
    """Levels and peaks, read before the machine's limits are probed: the probes' arrays are not the contestant's."""

    def __init__(self, trainer: Trainer) -> None:
        process.reset_peak()
        self.trainer = trainer
        self.init = {"host_init_bytes": process.resident_bytes(), "device_init_bytes": trainer.memory().in_use}

    @cache  # noqa: B019 - one per process
    def peak(self) -> dict[str, int | None]:
        """The peaks since initialisation, as they were when this was first asked."""
        return {"host_peak_bytes": process.peak_resident_bytes(), "device_peak_bytes": self.trainer.memory().peak}


def take_turns(
    fields: Mapping[str, Any], numpy_s: float, emit: Emit, lines: Iterator[Mapping[str, Any]]
) -> dict[str, Any]:
    """Stand ready, obey until told to finish, and give the last event.

    Raises:
        Unsupported: the spec cannot be computed here.
        RunFailed: the gate, a loss, a compilation in the steady state, or not what the variant's name says.
    """
    clocks = Clocks(time.perf_counter, {"import": numpy_s})
    spec = SpeedSpec.model_validate(fields)
    backend = prepare.load(spec.backend, clocks)
    job, host_import = prepare.start(backend, spec, spec.job(), emit)
    tier = backend.variant(job).tier
    start = canonical.initial(job.model, canonical.InitialisationSpec(), spec.seed)
    short = spec.shortened(GATE_LENGTH)
    gate_job = replace(job, length=short.length, labels=short.labels) if short != spec else None
    trainer = prepare.build(backend, job, lambda index, size: draw(short, index, size), start, clocks, emit, gate_job)
    memory = Memory(trainer)
    contestant = Contestant(spec, job, trainer, whole=tier == "fused")
    updates, first_s = contestant.first()
    emit({
        "tier": tier,
        "parameters": canonical.count(job.model),
        "flops_per_step": canonical.flops_per_step(job.model, job.batch, job.length),
        "bytes_per_step": canonical.bytes_per_step(job.model, job.batch, job.length, job.precision, job.optimizer.name),
        "dependent_steps": canonical.dependent_steps(job.model, job.length),
        "import_s": clocks["import"], "gate_s": clocks["gate"], "build_s": clocks["build"],
        "first_s": first_s, "first_updates": updates, "host_import_bytes": host_import, **memory.init,
        "ready": True,
    })  # fmt: skip
    _obey(contestant, backend, memory, emit, lines)
    prepare.check_executed(backend, job, trainer, draw(spec, 0, spec.batch), emit)
    return {"end": "ok"}


def _obey(
    contestant: Contestant, backend: Backend, memory: Memory, emit: Emit, lines: Iterator[Mapping[str, Any]]
) -> None:
    compiled: int | None = None
    for line in lines:
        if "turn" in line:
            emit({"block": {"steps": line["turn"], "seconds": contestant.turn(line["turn"])}})
        elif "limits" in line:
            memory.peak()
            emit({"limits": _limits(backend, contestant.job)})
        elif "steady" in line:
            compiled = contestant.trainer.compilations()
            emit({"steady": True})
        elif "finish" in line:
            break
    now = contestant.trainer.compilations()
    emit({**memory.peak(), "compilations": now})
    if compiled is not None and now != compiled:
        raise RunFailed(
            f"something was traced or compiled again in the steady state ({now} compilations, {compiled} after "
            "warm-up): its timing would be no steady state's"
        )


def _limits(backend: Backend, job: Job) -> dict[str, list[float]] | None:
    """What the device gives, by the fields of ``speedrecords.Limits``; None where the backend has no probes."""
    probes = backend.probes(job)
    if probes is None:
        return None
    return {
        "gflops": [probes.product.amount / seconds / 1e9 for seconds in _seconds(probes.product)],
        "gb_per_s": [probes.copy.amount / seconds / 1e9 for seconds in _seconds(probes.copy)],
        "us_per_step": [1e6 * seconds / probes.step.amount for seconds in _seconds(probes.step)],
    }


def _seconds(probe: Probe) -> list[float]:
    """Of each reading; the first, which may compile, is not kept."""
    readings = []
    for reading in range(READINGS + 1):
        start = time.perf_counter()
        probe.run()
        seconds = time.perf_counter() - start
        if reading and seconds > 0:
            readings.append(seconds)
    return readings
