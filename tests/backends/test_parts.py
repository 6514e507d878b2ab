"""A batch in parts: as many as the job has threads, and the whole batch's update."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import backends
from backends import allocator, reference
from backends.base import Backend
from backends.conformance import DEEPEST, a_job, a_sequence_job, assert_close, some_batches, start, train

VARIANTS = {"jax": "parts", "torch": "nn-parts"}


@pytest.fixture(params=VARIANTS, scope="module")
def backend(request: pytest.FixtureRequest) -> Backend:
    name: str = request.param
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    found = backends.load(name)
    found.start(a_job(precision="float64"))
    return found


@pytest.mark.parametrize(("threads", "batch", "count"), [(2, 5, 2), (4, 11, 4), (6, 4, 4)])
def test_there_are_as_many_parts_as_threads_or_sequences(
    backend: Backend, threads: int, batch: int, count: int
) -> None:
    variant = VARIANTS[backend.name]
    job = a_job("lstm", DEEPEST, variant=variant, precision="float64", threads=threads, batch=batch)
    p, batches = start(job), some_batches(job, 3)
    trainer = backend.build(job, p)
    executed = trainer.executed(batches[0])
    assert f", {count} parts" in executed
    assert re.match(backend.variant(job).runs, executed), executed
    losses, (expected, after) = train(trainer, job, batches), reference.train(job, p, batches)
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert_close(trainer.parameters(), after, 1e-9, "parameter")


@pytest.mark.parametrize(
    ("backend", "case"), [("jax", 1), ("jax", 4), ("torch", 1), ("torch", 2), ("torch", 4)], indirect=["backend"]
)
@pytest.mark.parametrize("given", [True, False], ids=["lengths", "all-full"])
def test_parts_of_unequal_lengths_count_as_the_whole_batchs_loss_does(backend: Backend, case: int, given: bool) -> None:
    """The same of labels, whose loss is a mean over sequences."""
    job = a_sequence_job(case, variant=VARIANTS[backend.name], precision="float64", threads=3)
    p, batches = start(job), some_batches(job, 3)
    batches = batches if given else [replace(batch, lengths=None) for batch in batches]
    losses = train(backend.build(job, p), job, batches)
    np.testing.assert_allclose(losses, reference.train(job, p, batches)[0], rtol=1e-9)


def test_torchs_parts_have_a_thread_each_and_leave_the_jobs_number_in_force() -> None:
    """Of the threads besides the main one each computes alone; where the C library allows it, all share one heap."""
    torch = pytest.importorskip("torch")
    from backends.torch.parts_trainer import others

    backend, job = backends.load("torch"), a_job(variant="nn-parts", threads=2)
    assert backend.start(job).threads == 2
    trainer, [batch] = backend.trainer(job, start(job)), some_batches(job, 1)
    train(trainer, job, [batch])
    trainer.predict(batch.astype(job.dtype).x)
    assert torch.get_num_threads() == 2
    [other] = others(1)
    assert other.submit(torch.get_num_threads).result() == 1


def test_a_thread_of_torchs_that_is_done_early_takes_no_second_part() -> None:
    """Whichever of them is first."""
    pytest.importorskip("torch")
    from backends.torch.parts_trainer import for_each

    for _ in range(50):
        threads = for_each(lambda part: threading.get_ident(), range(4))
        assert len(set(threads)) == 4


def test_a_profile_of_one_thread_alone_would_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch's variant says it executed is counted, not taken from the job."""
    pytest.importorskip("torch")
    from backends.torch import parts_trainer

    def one_after_the_other(function: Callable[..., Any], *items: Sequence[Any]) -> list[Any]:
        return [function(*each) for each in zip(*items, strict=True)]

    monkeypatch.setattr(parts_trainer, "for_each", one_after_the_other)
    backend, job = backends.load("torch"), a_job(variant="nn-parts", threads=2)
    trainer = backend.trainer(job, start(job))
    executed = trainer.executed(some_batches(job, 1)[0].astype(job.dtype))
    assert ", 1 parts" in executed
    if allocator.why_not() is None:
        assert not re.match(backend.variant(job).runs, executed)
