"""The gate: a sound backend passes, one that updates otherwise does not."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.base import Trainer
from backends.job import Job, ModelSpec, OptimizerSpec, Parameters
from backends.numpy import NumpyBackend
from backends.parameters import InitialisationSpec, initial
from backends.synthetic import random_batches
from harness.errors import Diverged
from harness.worker.gate import (
    BATCH,
    SCHEDULED_STEPS,
    STEPS,
    distances,
    finite,
    first_apart,
    loss_distances,
    pass_gate,
)
from tasks.base import Batch

JOB = Job(ModelSpec("lstm", 2, 3, 1, "last"), "mse", OptimizerSpec(), batch=10, length=4, variant="hoisted")


class Slower(NumpyBackend):
    """Trains at a hundredth less than the learning rate it is told."""

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        return super().build(replace(job, optimizer=replace(job.optimizer, lr=0.99 * job.optimizer.lr)), parameters)


class Eager(NumpyBackend):
    """Has another epsilon than it is told."""

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        return super().build(replace(job, optimizer=replace(job.optimizer, epsilon=0.1)), parameters)


class Unscheduled(NumpyBackend):
    """Knows nothing of schedules."""

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        rule = replace(job.optimizer, schedule="constant", decay_every=None, decay_by=None)
        return super().build(replace(job, optimizer=rule), parameters)


class Wrong(NumpyBackend):
    """Computes another loss: of any batch, or where it is handed several."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        if self.what == "loss":
            parameters = {**parameters, "head.b": parameters["head.b"] + 0.5}
        trainer = super().build(job, parameters)
        train = trainer.train

        def wrongly(staged: Any) -> Any:
            return train(staged) + (self.what == "calls" and len(staged) > 1)

        trainer.train = wrongly  # type: ignore[method-assign]
        return trainer


def draw(index: int, size: int) -> Batch:
    return random_batches(JOB.resized(size), 1, [0, index])[0]


@pytest.mark.parametrize(("backend", "passes"), [(NumpyBackend(), True), (Slower(), False)])
def test_a_few_small_updates_decide(backend: NumpyBackend, passes: bool) -> None:
    gate = pass_gate(backend, JOB, draw, initial(JOB.model, InitialisationSpec(), 0))
    assert gate.passed is passes
    assert (gate.steps, gate.batch, gate.length) == (STEPS, BATCH, None)
    assert (max(gate.loss_distance, gate.parameter_distance) <= gate.tolerance) is passes


@pytest.mark.parametrize("backend", [NumpyBackend(), Unscheduled()], ids=lambda backend: type(backend).__name__)
@pytest.mark.parametrize("schedule", [{"schedule": "cosine", "updates": 10**6},
                                      {"schedule": "step", "decay_every": 10**6, "decay_by": 0.5}])  # fmt: skip
def test_a_schedule_of_a_million_updates_is_seen_in_a_few(backend: NumpyBackend, schedule: dict[str, Any]) -> None:
    job = replace(JOB, optimizer=OptimizerSpec(**schedule, warmup=100))
    gate = pass_gate(backend, job, draw, initial(JOB.model, InitialisationSpec(), 0))
    assert gate.passed is (type(backend) is NumpyBackend)
    assert gate.steps == SCHEDULED_STEPS


@pytest.mark.parametrize(("accumulate", "batch"), [(1, 4), (2, 4), (5, 10)])
def test_micro_batches_of_a_few_sequences_decide_too(accumulate: int, batch: int) -> None:
    job = replace(JOB, accumulate=accumulate)
    gate = pass_gate(NumpyBackend(), job, draw, initial(JOB.model, InitialisationSpec(), 0))
    assert (gate.passed, gate.batch) == (True, batch)


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (Eager(), r"first apart is the parameter \S+ after update 1, by .*: look at the optimizer: clipping"),
        (Wrong("loss"), "first apart is the loss before update 1, by .*: look at the forward pass"),
        (Wrong("calls"), "first apart is the loss before update 2, by"),
        (NumpyBackend(), "nothing is apart: look at how several updates are done in one call"),
    ],
)
def test_the_first_quantity_that_is_apart_is_named_with_what_to_look_at(backend: NumpyBackend, says: str) -> None:
    assert re.search(says, first_apart(backend, JOB, draw, initial(JOB.model, InitialisationSpec(), 0)))


def test_a_wrong_gradient_is_named_before_the_parameters_that_follow_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    right = reference.loss_and_gradients

    def other(*words: Any) -> tuple[float, Parameters]:
        loss, gradients = right(*words)
        return loss, {**gradients, "head.b": 2 * gradients["head.b"]}

    monkeypatch.setattr(reference, "loss_and_gradients", other)
    found = first_apart(NumpyBackend(), JOB, draw, initial(JOB.model, InitialisationSpec(), 0))
    assert found.startswith(
        "first apart is the gradient of head.b at update 1, by 5.0e-01: look at the backward pass, or"
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_options_that_diverge_in_the_reference_too_are_no_fault_of_a_backend() -> None:
    job = replace(JOB, optimizer=OptimizerSpec("adam", 1e300))
    with pytest.raises(Diverged, match="in the float64 reference too: it needs a smaller --lr"):
        pass_gate(NumpyBackend(), job, draw, initial(job.model, InitialisationSpec(), 0))


def test_distances_are_relative_and_of_what_is_nearly_zero_to_a_floor() -> None:
    assert distances({"W": np.array([3.0, 4.5])}, {"W": np.array([3.0, 4.0])}) == {"W": pytest.approx(0.1)}
    assert distances({"b": np.array([1e-6])}, {"b": np.array([0.0])}) == {"b": pytest.approx(1.0)}
    assert loss_distances(np.array([1.1, math.nan]), [1.0, 1.0]) == [pytest.approx(0.1), sys.float_info.max]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_json_does_not_have_is_the_largest_distance(value: float) -> None:
    assert finite(value) == sys.float_info.max
    assert finite(0.5) == 0.5
