"""The key that a run will have is the one that its record gets, however the run ends."""

from __future__ import annotations

import sys

import pytest

from harness.planning.runs import plan
from harness.processes import here
from harness.processes.supervise import execute, refused
from harness.records.resume import key_of

pytestmark = [
    pytest.mark.usefixtures("plugin"),
    pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there"),
]


@pytest.mark.parametrize(
    ("variant", "timeout", "status"), [("good", 60, "ok"), ("crash", 60, "failed"), ("hang", 1.5, "timeout")]
)
def test_the_key_is_known_before(variant: str, timeout: float, status: str) -> None:
    (spec,) = plan({"backend": "madeup", "task": "echo", "threads": 1})
    spec = spec.model_copy(update={"variant": variant})
    record = execute(spec, timeout, lambda _: None)
    assert record.status == status
    assert key_of(record) == here.key(spec)


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "madeup", "uninstalled"])
def test_a_run_that_could_not_start_has_its_key(backend: str) -> None:
    (spec,) = plan({"backend": backend, "threads": 1})
    assert key_of(refused(spec, "no room")) == here.key(spec)
    assert here.key(spec) != here.key(spec.model_copy(update={"seed": 1}))
