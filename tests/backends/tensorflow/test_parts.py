"""A batch in parts: as many as the job has threads, whatever the machine has."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.conformance import DEEPEST, a_job, a_sequence_job, assert_close, some_batches, start, train
from backends.tensorflow import TensorflowBackend

pytest.importorskip("tensorflow")
backend = TensorflowBackend()


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    backend.start(a_job(precision="float64"))


@pytest.mark.parametrize("variant", ["keras-parts", "block-parts", "xla-parts"])
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


@pytest.mark.parametrize("given", [True, False], ids=["lengths", "all-full"])
def test_parts_of_unequal_lengths_count_as_the_whole_batchs_loss_does(given: bool) -> None:
    job = a_sequence_job(6, variant="xla-parts", precision="float64", threads=3)
    p, batches = start(job), some_batches(job, 2)
    batches = batches if given else [replace(batch, lengths=None) for batch in batches]
    trainer = backend.build(job, p)
    losses, (expected, after) = train(trainer, job, batches), reference.train(job, p, batches)
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert_close(trainer.parameters(), after, 1e-9, "parameter")


def test_no_part_waits_for_another() -> None:
    """Of the programs of XLA's in the graph of the training step, the update's alone depends on others."""
    job = a_job("gru", variant="xla-parts", precision="float64", threads=4, batch=8)
    trainer: Any = backend.build(job, start(job))
    nodes = {node.name: node for node in trainer.step.graph.as_graph_def().node}
    calls = [name for name, node in nodes.items() if "PartitionedCall" in node.op]

    def before(name: str) -> set[str]:
        direct = {each.removeprefix("^").split(":")[0] for each in nodes[name].input}
        return direct.union(*map(before, direct))

    waited = {name: before(name) & set(calls) for name in calls}
    assert sorted(map(len, waited.values())) == [0, 0, 0, 0, 4]
