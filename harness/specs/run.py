"""The spec of one run: everything that decides it, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from backends.dropout import Dropout
from backends.job import Device, Job, Precision
from backends.parameters import InitialisationSpec
from harness.specs.base import (
    DataShape,
    Denormals,
    Digest,
    Frozen,
    Initialisation,
    Model,
    Name,
    Optimizer,
    Parameter,
    Positive,
    Share,
    check_accumulate,
    job_of,
)
from tasks.base import Task

ScoreAt = Literal["final", "best-validation"]


class RunSpec(Frozen):
    """Everything that decides one run; immutable and hashable.

    Attributes:
        task, preset, parameters: what is learned; ``parameters`` is complete, defaults included.
        seed: of the training data and of the initial parameters.
        backend, variant, device, precision: how it is computed.
        model, initialisation, optimizer: what is trained, from where, by which rule.
        batch, steps: sequences per update, and number of updates.
        accumulate: micro-batches that a batch is computed as, one after the other; their gradients are averaged.
        chunk: updates per timed block, which ends when the device is done.
        evaluate_every: updates between two evaluations on the validation split.
        threads: threads of the framework, and the number of CPUs that the worker may use.
        denormals: whether the CPU flushes denormal numbers to zero, in every thread.
        deterministic: ask the framework for deterministic kernels.
        score_at: the parameters whose test scores are reported: those after the last update, or the best on the
            validation split. Part of the spec, so that it is chosen before the run.
        label_smoothing: share of the target that is spread over all classes in training: see ``Job``.
        dropout, input_dropout: share of the units between layers, and of the inputs, that is dropped in training: see
            ``backends.dropout``.
        start: SHA-256 of the file of saved parameters that training starts from; None where they are drawn. Then
            ``initialisation`` has no part in the result.
        patience: evaluations in a row without a new lowest validation loss, after which training ends before ``steps``;
            None where it goes to the last. The untrained model's loss does not count.
    """

    younger: ClassVar = frozenset({"label_smoothing", "dropout", "input_dropout", "start", "patience", "accumulate"})

    task: Name
    preset: Name
    parameters: dict[str, Parameter]
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    backend: Name
    variant: Name = "auto"
    device: Device = "cpu"
    precision: Precision = "float32"
    model: Model
    initialisation: Initialisation = Initialisation()
    optimizer: Optimizer = Optimizer()
    batch: Positive
    steps: Positive
    chunk: Positive
    evaluate_every: Positive
    threads: Positive
    denormals: Denormals = "flush"
    deterministic: bool = True
    score_at: ScoreAt = "final"
    label_smoothing: Share = 0.0
    dropout: Share = 0.0
    input_dropout: Share = 0.0
    start: Digest | None = None
    patience: Positive | None = None
    accumulate: Positive = 1

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_accumulate(self.batch, self.accumulate)
        if self.optimizer.warmup and self.optimizer.warmup >= self.steps:
            raise ValueError(f"warmup: fewer than all {self.steps:,} updates, not {self.optimizer.warmup:,}")
        return self

    @model_validator(mode="after")
    def _between_layers(self) -> Self:
        if self.dropout and self.model.source:
            raise ValueError("dropout is between layers of a cell; a model of your own drops what it will itself")
        if self.dropout and self.model.layers < 2:
            raise ValueError("dropout is between layers: there is one; --layers 2 or --input-dropout")
        return self

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> str:
        """A fingerprint of the spec: equal for equal specs, on every machine."""
        return hashlib.sha256(self.model_dump_json(exclude=self.unsaid()).encode()).hexdigest()

    @property
    def sure_steps(self) -> int:
        """Updates that are made whatever is learned: all, or those before training could end for want of patience."""
        if self.patience is None:
            return self.steps
        return min(self.steps, (1 + self.patience) * self.evaluate_every)  # the first evaluation is the lowest so far

    def job(self, task: Task) -> Job:
        """The part of this spec that a backend may know."""
        data = DataShape(
            inputs=task.inputs,
            outputs=task.outputs,
            readout=task.readout,
            loss=task.loss,
            length=task.steps_in,
            variable=task.variable,
        )
        job = job_of(self, data, updates=self.steps)
        return replace(job, label_smoothing=self.label_smoothing, dropout=self.dropout)

    def dropping(self, task: Task) -> Dropout:
        """What drops the units of this run's training batches."""
        return Dropout(self.seed, self.job(task).model, self.dropout, self.input_dropout)

    def initialisation_spec(self) -> InitialisationSpec:
        """The initialisation as the backends take it."""
        return InitialisationSpec(**self.initialisation.model_dump())


def flat(spec: RunSpec) -> dict[str, object]:
    """A spec's values by the paths of their fields: ``{"task": "copy", "model.hidden": 24, …}``."""
    fields: dict[str, object] = {}
    for name, value in spec.model_dump().items():
        if isinstance(value, dict):
            fields |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            fields[name] = value
    return fields


def differing(specs: Sequence[RunSpec]) -> list[str]:
    """The paths of the fields in which these specs differ; none where there is at most one spec."""
    fields = [flat(spec) for spec in specs]
    paths = dict.fromkeys(path for each in fields for path in each)
    return [path for path in paths if any(each.get(path) != fields[0].get(path) for each in fields)]
