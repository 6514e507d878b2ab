"""The bodies of the CUDA kernels, without a GPU: a C++ compiler makes a plain loop of each, in float64."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.conformance import NETWORKS, SEQUENCES, a_job, a_sequence_job, assert_close, some_batches, start
from backends.job import CELLS, Array, Job, time_major
from backends.numpy import cells, cuda_kernels
from backends.numpy.network import Network
from tests.fixtures.strict_cupy import Cupy


@pytest.fixture(scope="module")
def xp(tmp_path_factory: pytest.TempPathFactory) -> Cupy:
    if shutil.which("g++") is None:
        pytest.skip("a kernel's body is compiled by g++, which is not here")
    return Cupy(tmp_path_factory.mktemp("kernels"))


def gradients(xp: Any, layers: Any, job: Job) -> tuple[float, dict[str, Array]]:
    """Loss and gradients of one batch, on buffers that have served another before."""
    p = {name: xp.asarray(array) for name, array in start(job).items()}
    grads = {name: xp.zeros_like(array) for name, array in p.items()}
    network = Network(xp, layers[job.model.cell], job, p, grads)
    loss = None
    for batch in reversed(some_batches(job, 2)):
        by_step = job.model.readout == "every" and job.loss != "ctc"
        x, y = time_major(batch.x), time_major(batch.y) if by_step else batch.y
        lengths = None if batch.lengths is None else xp.asarray(batch.lengths)
        loss = network.loss_and_gradients(xp.asarray(x), xp.asarray(y), lengths)
    return float(loss), {name: array if xp is np else array.get() for name, array in grads.items()}


JOBS = [
    *(a_job(cell, network, precision="float64") for cell in CELLS for network in range(len(NETWORKS))),
    *(a_sequence_job(case, precision="float64") for case in range(len(SEQUENCES))),
]


def name_of(job: Job) -> str:
    m = job.model
    return f"{m.cell}-{m.layers}{'x2' if m.bidirectional else ''}-{m.readout}-{job.loss}{'-lengths' * job.variable}"


@pytest.mark.parametrize("job", JOBS, ids=name_of)
def test_the_kernels_compute_the_references_loss_and_gradients(xp: Cupy, job: Job) -> None:
    loss, ours = gradients(xp, cuda_kernels.LAYERS, job)
    expected_loss, expected = reference.loss_and_gradients(job, start(job), some_batches(job, 2)[0])
    by_numpy_loss, by_numpy = gradients(np, cells.LAYERS, job)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    assert loss == pytest.approx(by_numpy_loss, rel=1e-12)
    assert_close(ours, expected, 1e-12, "gradient of")
    assert_close(ours, by_numpy, 1e-12, "gradient beside NumPy's of")
