"""What no machine can hold and no record can keep is refused before it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from backends import parameters
from backends.job import ModelSpec
from harness.errors import UsageError
from harness.planning.limits import check_run, least_bytes, weights
from harness.specs.run import RunSpec

SPEC: dict[str, Any] = {
    "task": "sine", "preset": "smoke", "backend": "numpy", "model": {"hidden": 32}, "batch": 64, "steps": 3000,
    "chunk": 10, "evaluate_every": 250, "threads": 1, "parameters": {},
}  # fmt: skip


def checked(**changes: Any) -> None:
    spec = RunSpec.model_validate(SPEC | changes)
    check_run(spec, tasks.load(spec.task, spec.parameters))


def test_an_ordinary_run_passes() -> None:
    checked()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"hidden": 32, "layers": 10**15}}, {"model": {"hidden": 10**12}}, {"parameters": {"length": 10**9}},
        {"parameters": {"features": 10**12}}, {"batch": 10**12}, {"model": {"hidden": 10**18}},
        {"chunk": 10**9, "evaluate_every": 10**9, "steps": 10**9},
    ],
    ids=lambda changes: "-".join(changes),
)  # fmt: skip
def test_what_memory_cannot_hold_is_refused_in_a_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^too large for this machine: .* at least [\d,.]+ GiB, it has") as refused:
        checked(**changes)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("changes", [{"steps": 10**18}, {"steps": 300_000, "evaluate_every": 1}])
def test_a_run_whose_record_could_not_be_read_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="do not fit into a record"):
        checked(**changes)


def test_label_smoothing_is_refused_where_there_are_no_labels() -> None:
    with pytest.raises(UsageError, match=r"^--label-smoothing: of cross-entropy alone; sine is trained on mse$"):
        checked(label_smoothing=0.1)
    checked(task="copy", label_smoothing=0.1)


def test_the_masks_of_dropout_are_counted() -> None:
    job = RunSpec.model_validate(SPEC | {"model": {"hidden": 32, "layers": 3}, "dropout": 0.1}).job(tasks.load("sine"))
    masks = 10 * job.batch * job.length * 32 * 2
    assert least_bytes(job, updates=10) == least_bytes(replace(job, dropout=0.0), updates=10) + masks


@given(st.integers(1, 5), st.integers(1, 9), st.booleans(), st.sampled_from(["rnn", "lstm", "gru"]))
def test_weights_are_counted_without_a_loop_over_layers(layers: int, hidden: int, both: bool, cell: Any) -> None:
    model = ModelSpec(cell, 3, hidden, 2, "last", layers, both)
    assert weights(model) == parameters.count(model)


def test_the_least_memory_grows_with_whatever_is_kept() -> None:
    spec = RunSpec.model_validate(SPEC)
    job = spec.job(tasks.load("sine"))
    for larger in (replace(job, batch=65), replace(job, length=101), replace(job, precision="float64")):
        assert least_bytes(larger) > least_bytes(job)
    assert least_bytes(job, updates=2) > least_bytes(job)
    assert least_bytes(replace(job, accumulate=2)) < least_bytes(job), "the states of a micro-batch"
