"""What measures a device's limits: the work that each backend says it does, done."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import backends
from backends.base import STEPS
from backends.job import Job, ModelSpec, OptimizerSpec
from backends.parameters import dependent_steps


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "jax"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_backend_can_be_asked_for_its_limits(name: str, precision: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    backend = backends.load(name)
    model = ModelSpec("lstm", inputs=1, hidden=1, outputs=1, readout="last")
    job = Job(model, "mse", OptimizerSpec(), batch=1, length=1, precision=precision)  # type: ignore[arg-type]
    backend.start(job)
    probes = backend.probes(job)
    assert probes is not None
    for probe in (probes.copy, probes.step):
        probe.run()
        probe.run()
        assert probe.amount > 0
    assert probes.step.amount == STEPS


@pytest.mark.parametrize(
    ("layers", "bidirectional", "steps"), [(1, False, 14), (1, True, 14), (4, False, 20), (4, True, 56)]
)
def test_what_must_follow_one_another_of_seven_steps(layers: int, bidirectional: bool, steps: int) -> None:
    model = ModelSpec("gru", 1, 1, 1, "last", layers=layers, bidirectional=bidirectional)
    assert dependent_steps(model, 7) == steps
