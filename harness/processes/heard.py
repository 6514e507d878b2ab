"""All that a worker said about itself, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from backends.own import OWN
from harness.processes.channel import WorkerDied
from harness.protocol import (
    Affinity,
    Decided,
    Disturbance,
    End,
    Event,
    Executed,
    GateDone,
    Gpu,
    Limits,
    Measured,
    Peaks,
    Point,
    Ready,
    Software,
)
from harness.records import speed
from harness.records.base import Blas, Gate, Noise, Status
from harness.records.run import CurvePoint, Metrics


@dataclass
class Heard:
    """What a worker said, as the models that records keep.

    Attributes:
        affinity: CPUs that the worker was allowed to use.
        decided: the variant and the settings in force; None before they were.
        ready: what getting ready cost a contestant; limits: what it read of the machine's.
        status, reason: how it ended; None while it goes on.
        log_tail: the end of its output, if it did not end well.
    """

    affinity: list[int] = field(default_factory=list)
    decided: Decided | None = None
    gate: Gate | Literal["own"] | None = None
    curve: list[CurvePoint] = field(default_factory=list)
    ready: speed.Ready | None = None
    limits: list[speed.Limits] = field(default_factory=list)
    noise: Noise | None = None
    blas: list[Blas] = field(default_factory=list)
    gpu: dict[str, str] = field(default_factory=dict)
    executed: str | None = None
    software: Software | None = None
    peaks: Peaks = field(default_factory=Peaks)
    metrics: Metrics | None = None
    status: Status | None = None
    reason: str | None = None
    log_tail: str | None = None

    def take(self, event: Event) -> None:
        """Keep what an event says; those that say nothing about the worker itself are passed over.

        Raises:
            WorkerDied: a part of it is not what a record can keep.
        """
        try:
            self._take(event)
        except ValidationError as error:
            problem = " ".join(str(error).split())[:200]
            raise WorkerDied(f"the worker sent a {type(event).__name__} that no record can keep: {problem}") from None

    def _take(self, event: Event) -> None:
        match event:
            case Affinity(cpus):
                self.affinity = cpus
            case Decided():
                self.decided = event
            case GateDone(gate):
                self.gate = Gate(**gate) if gate else OWN
            case Point(point):
                self.curve.append(CurvePoint(**point))
            case Ready(cost):
                self.ready = None if cost is None else speed.Ready(**cost)
            case Limits(readings) if readings is not None:
                self.limits.append(speed.Limits(**readings))
            case Disturbance(noise, blas):
                self.noise, self.blas = Noise(**noise), [Blas(**library) for library in blas]
            case Gpu(facts):
                self.gpu = facts
            case Executed(what):
                self.executed = what
            case Software():
                self.software = event
            case Peaks():
                self.peaks = event
            case Measured(metrics):
                self.metrics = Metrics(**metrics)
            case End(status, reason):
                self.end(status, reason)

    def end(self, status: Status, reason: str | None, log_tail: str | None = None) -> None:
        """Note how it ended, by what the worker said or by what became of it."""
        self.status, self.reason, self.log_tail = status, reason, log_tail or self.log_tail

    def ran(self) -> dict[str, Any]:
        """What ran and how it was checked: fields that a run's record and a contest's row share."""
        return {"executed": self.executed, "gate": self.gate, **self._decided("variant", "tier", "variant_reason")}

    def in_force(self) -> dict[str, Any]:
        """The settings read back from the framework: fields that an environment and a contest's row share."""
        return {"affinity": self.affinity, **self._decided("threads", "flushes_denormals", "device_name")}

    def _decided(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self.decided, name) for name in names} if self.decided else {}
