"""A batch in parts: as many as the job has threads, and the whole batch's update."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from backends import reference
from backends.conformance import DEEPEST, a_job, a_sequence_job, assert_close, some_batches, start, train
from backends.jax import JaxBackend

pytest.importorskip("jax")
backend = JaxBackend()


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    backend.start(a_job(precision="float64"))


@pytest.mark.parametrize(("threads", "batch", "count"), [(2, 5, 2), (4, 11, 4), (6, 4, 4)])
def test_there_are_as_many_parts_as_threads_or_sequences(threads: int, batch: int, count: int) -> None:
    job = a_job("lstm", DEEPEST, variant="parts", precision="float64", threads=threads, batch=batch)
    p, batches = start(job), some_batches(job, 3)
    trainer = backend.build(job, p)
    executed = trainer.executed(batches[0])
    assert executed.endswith(f", {count} parts")
    assert re.match(backend.variant(job).runs, executed), executed
    losses, (expected, after) = train(trainer, job, batches), reference.train(job, p, batches)
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert_close(trainer.parameters(), after, 1e-9, "parameter")


@pytest.mark.parametrize(("case", "given"), [(1, True), (1, False), (4, True)], ids=["every", "all-full", "last"])
def test_parts_of_unequal_lengths_count_as_the_whole_batchs_loss_does(case: int, given: bool) -> None:
    job = a_sequence_job(case, variant="parts", precision="float64", threads=3)
    p, batches = start(job), some_batches(job, 3)
    batches = batches if given else [replace(batch, lengths=None) for batch in batches]
    losses = train(backend.build(job, p), job, batches)
    np.testing.assert_allclose(losses, reference.train(job, p, batches)[0], rtol=1e-9)
