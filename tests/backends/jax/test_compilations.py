"""Nothing is compiled in the steady state, by JAX's own count, not only by that of ``Trainer.compilations``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backends.conformance import a_job, some_batches, start, train
from backends.jax import JaxBackend

jax = pytest.importorskip("jax")
backend = JaxBackend()
VARIANTS = [
    each.name for each in backend.variants(a_job().model, "cpu")
    if each.reason is None and "float64" in each.precisions
]  # fmt: skip


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """The compilations that JAX reports while the test runs."""
    events: list[str] = []

    def hear(event: str, seconds: float, **more: object) -> None:
        del seconds, more
        if event.endswith("backend_compile_duration"):
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(hear)
    yield events
    jax.monitoring.unregister_event_duration_listener(hear)


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_of_another_size_compile_nothing(variant: str, compiled: list[str]) -> None:
    """An operation outside the compiled step is a program too, one for each shape that it is called with."""
    job = a_job(variant=variant, precision="float64", chunk=4)
    backend.start(job)
    trainer, batches = backend.build(job, start(job)), some_batches(job, 8)
    train(trainer, job, batches[:1])
    trainer.predict(batches[0].x)
    assert compiled, "the first update compiles"
    staged = [trainer.stage(batches[:count]) for count in (2, 3, 7)]
    compiled.clear()
    for each in staged:
        trainer.train(each)
    trainer.predict(batches[1].x)
    assert not compiled
