"""A batch in parts: as many as the job has threads, whatever the machine has."""

from __future__ import annotations

import re

import numpy as np
import pytest

from backends import reference
from backends.conformance import DEEPEST, a_job, assert_close, some_batches, start, train
from backends.tensorflow import TensorflowBackend

pytest.importorskip("tensorflow")
backend = TensorflowBackend()


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    backend.start(a_job(precision="float64"))


@pytest.mark.parametrize("variant", ["keras-parts", "block-parts"])
@pytest.mark.parametrize(("threads", "batch", "count"), [(2, 5, 2), (3, 7, 3), (4, 11, 4), (6, 4, 4)])
def test_there_are_as_many_parts_as_threads_or_sequences(variant: str, threads: int, batch: int, count: int) -> None:
    job = a_job("lstm", DEEPEST, variant=variant, threads=threads, batch=batch)
    trainer = backend.build(job, {name: p.astype(job.dtype) for name, p in start(job).items()})
    executed = trainer.executed(some_batches(job, 1)[0].astype(job.dtype))
    assert executed.endswith(f", {count} parts")
    assert re.match(backend.variant(job).runs, executed), executed


@pytest.mark.parametrize("network", [1, 2], ids=["both-ways", "two-layers"])
def test_four_parts_make_the_update_of_the_whole_batch(network: int) -> None:
    job = a_job("gru", network, variant="keras-parts", precision="float64", threads=4, batch=11)
    p, batches = start(job), some_batches(job, 3)
    trainer = backend.build(job, p)
    losses, (expected, after) = train(trainer, job, batches), reference.train(job, p, batches)
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert_close(trainer.parameters(), after, 1e-9, "parameter")
