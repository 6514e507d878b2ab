"""What the specs of runs and contests share: refusals in one line, and the job of a backend."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from pydantic import ValidationError

from backends.job import Job
from harness.specs.base import DataShape, Model, Optimizer, job_of, one_line
from harness.specs.speed import SpeedSpec

SPEC = SpeedSpec(
    backend="torch", variant="loop", precision="bfloat16", threads=3, deterministic=False,
    model=Model(cell="gru", hidden=5, layers=2, bidirectional=True), batch=3, length=4, features=2,
    optimizer=Optimizer(name="sgd", lr=0.5, clip=None), chunk=7,
)  # fmt: skip


def test_a_job_has_the_specs_computation_and_the_datas_shape() -> None:
    data = DataShape(
        inputs=9, outputs=8, readout="every", loss="ctc", length=7, labels=3, variable=True
    )  # not the spec's own
    job = job_of(SPEC, data)
    assert isinstance(job, Job)
    of_cell = SPEC.model.model_dump(exclude={"source", "sha256"})
    assert asdict(job.model) == {**of_cell, "inputs": 9, "outputs": 8, "readout": "every"}
    assert asdict(job.optimizer) == {**SPEC.optimizer.model_dump(), "updates": None}
    assert (job.loss, job.length, job.labels, job.variable) == ("ctc", 7, 3, True)
    for name in ("batch", "device", "variant", "precision", "threads", "deterministic", "chunk"):
        assert getattr(job, name) == getattr(SPEC, name)


def test_a_cosine_has_the_updates_of_its_run_and_none_in_a_contest() -> None:
    data = DataShape(inputs=1, outputs=1, readout="last", loss="mse", length=3)
    cosine = SPEC.model_copy(update={"optimizer": Optimizer(schedule="cosine")})
    assert [job_of(spec, data, 90).optimizer.updates for spec in (SPEC, cosine)] == [None, 90]
    assert cosine.job().optimizer.updates is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"hidden": 0}, "hidden: input should be greater than or equal to 1, not 0"),
        ({"hidden": 1, "cell": "own"}, "cell: own comes with source and sha256, and they with it"),
        ({"hidden": 1, "cells": "lstm"}, "cells: extra inputs are not permitted, not 'lstm'"),
        (
            {"hidden": 1, "cell": "x" * 1000},
            "cell: input should be 'rnn', 'lstm', 'gru', 'gru-reset-before' or 'own', not 'x",
        ),
    ],
)
def test_the_first_complaint_is_one_line(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Model.model_validate(fields)
    line = one_line(refused.value)
    assert line.startswith(says)
    assert "\n" not in line
    assert len(line) <= 300
