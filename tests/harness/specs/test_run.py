"""The spec of a run: its fingerprint, and what a backend gets of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import tasks
from harness.records.store import read_all, read_record
from harness.specs.base import Model
from harness.specs.run import RunSpec, differing

#: The runs that were published first, when specs could say less.
PUBLISHED = Path(__file__).resolve().parents[3] / "results" / "published"
FIRST = [path for path in PUBLISHED.rglob("20261124*.json") if "-speed-" not in path.name]


def spec() -> RunSpec:
    (path,) = (path for path in FIRST if "adding-torch-gru" in path.name)
    return read_record(path).spec


def test_the_fingerprint_is_of_every_field() -> None:
    assert spec() == RunSpec.model_validate_json(spec().model_dump_json())
    assert hash(spec()) == hash(RunSpec.model_validate_json(spec().model_dump_json()))
    for name, value in [("seed", 1), ("batch", 1), ("model", Model(hidden=1)), ("deterministic", False)]:
        assert spec().model_copy(update={name: value}).digest != spec().digest


def test_fields_that_differ_are_named_by_their_paths() -> None:
    wider = spec().model_copy(update={"model": Model(**{**spec().model.model_dump(), "hidden": 3}), "seed": 9})
    assert differing([spec(), spec(), wider]) == ["seed", "model.hidden"]
    assert differing([spec()]) == differing([]) == []


def test_a_job_is_the_tasks_data_and_the_specs_computation() -> None:
    one = spec()
    task = tasks.load(one.task, one.parameters, one.seed)
    job = one.job(task)
    assert (job.length, job.model.inputs, job.model.outputs, job.loss) == (
        task.steps_in, task.inputs, task.outputs, task.loss,
    )  # fmt: skip
    assert (job.labels, job.variable, job.batch) == (0, False, one.batch)


def test_a_spec_is_closed_and_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec().seed = 3
    with pytest.raises(ValidationError, match="extra"):
        RunSpec.model_validate(json.loads(spec().model_dump_json()) | {"sed": 3})


def test_the_initialisation_is_the_backends() -> None:
    one = spec()
    assert one.initialisation_spec().forget_bias == one.initialisation.forget_bias


@pytest.mark.parametrize(
    "changed", [{"evaluate_every": 99999999999999999999}, {"parameters": {"length": -(2**63) - 1}}]
)
def test_whole_numbers_have_64_bits(changed: dict[str, Any]) -> None:
    said = spec().model_dump()
    with pytest.raises(ValidationError):
        RunSpec.model_validate(said | changed)


def test_specs_that_draw_their_parameters_keep_the_digests_from_before_they_could_name_others() -> None:
    """Of the first published records, all in one."""
    digests = sorted(record.spec.digest for record in read_all(FIRST).records)
    assert len(digests) == 40
    together = hashlib.sha256("".join(digests).encode()).hexdigest()
    assert together == "bcde649a9b0121fb3ebdbd231a5fcef9bf4bd824c1902c06b14f5fa98791f025"
    assert spec().model_copy(update={"start": "0" * 64}).digest != spec().digest
