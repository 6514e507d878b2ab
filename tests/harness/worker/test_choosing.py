"""Which variant a job gets: what was tuned here, where it can compute the job; else what the backend's rule takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backends.job import Job
from backends.numpy import NumpyBackend
from backends.own import OWN
from harness.records import tuned
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec
from harness.worker import choosing
from harness.worker.listing import listed
from tests.harness.records.test_tuned import JOB, choice

BACKEND = NumpyBackend()
REASON = "fastest of 6, measured here 2026-11-26"


def taken(job: Job = JOB) -> tuple[str, str]:
    resolved, why = choosing.resolve(BACKEND, job, "flush")
    return resolved.variant, why


def test_what_was_tuned_is_taken_and_says_so(tuned_file: Path) -> None:
    ruled = taken()
    assert ruled == (BACKEND.choose(JOB).variant, BACKEND.choose(JOB).reason)
    tuned.keep(choice(variant="textbook"))
    assert taken() == ("textbook", REASON)
    assert vars(choosing.choose(BACKEND, JOB, "flush")) == {"variant": "textbook", "reason": REASON}
    assert taken(replace(JOB, variant="parts")) == ("parts", "asked for by name")
    tuned.forget(lambda each: True)
    assert taken() == ruled


@pytest.mark.parametrize("variant", ["kernels", "of-a-former-version"])
def test_one_that_cannot_compute_the_job_leaves_it_to_the_rule(tuned_file: Path, variant: str) -> None:
    ruled = taken()
    tuned.keep(choice(variant=variant))
    assert taken() == ruled
    assert choosing.choose(BACKEND, JOB, "flush").variant == ruled[0]


def test_a_model_of_a_users_own_has_none(tuned_file: Path) -> None:
    tuned.keep(choice())
    job = replace(JOB, model=replace(JOB.model, cell=OWN))  # type: ignore[arg-type]
    assert choosing.resolve(BACKEND, job, "flush") == BACKEND.resolve(job)


def test_a_broken_file_counts_as_none_and_the_reason_says_so(tuned_file: Path) -> None:
    variant, why = taken()
    tuned_file.write_text("{")
    assert taken() == (variant, f"{why}; the file of tuned choices cannot be read")
    assert choosing.choose(BACKEND, JOB, "flush").variant == variant


def test_the_list_of_variants_tells_both(tuned_file: Path) -> None:
    spec = SpeedSpec(backend="numpy", threads=2, model=Model(hidden=50), batch=64, length=100, features=10)
    tuned.keep(choice(spec.job(), "textbook"))
    (found,) = listed("numpy", [spec.model_dump(mode="json")]).specs
    assert (found["auto"], found["rule"]) == ("textbook", BACKEND.choose(spec.job()).variant)
