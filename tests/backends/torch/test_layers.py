"""PyTorch's own layers, one call for each where dropout stands between them."""

from __future__ import annotations

from typing import Any

import pytest

from backends import reference
from backends.conformance import TOLERANCE, a_job, assert_close, some_batches, start, train
from backends.job import Precision
from backends.torch import TorchBackend

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_layers_apart_are_the_references(cell: Any, precision: Precision) -> None:
    """With one bias or two, cast or not; each layer is one call, and all are where nothing is dropped."""
    job = a_job(cell, 3, variant="nn", precision=precision, dropout=0.4)
    backend, p, batches = TorchBackend(), start(job), some_batches(job, 2)
    backend.start(job)
    trainer: Any = backend.trainer(job, p)
    losses = train(trainer, job, batches)
    expected_losses, expected = reference.train(job, p, batches)
    assert losses == pytest.approx(expected_losses, rel=TOLERANCE[precision])
    if precision == "float64":  # Adam's first updates are the signs of the gradients
        assert_close(trainer.parameters(), expected, TOLERANCE[precision], "parameter")
    assert len(trainer.network.layers.rnns) == job.model.layers
    whole: Any = backend.trainer(a_job(cell, 3, variant="nn", precision=precision), p)
    assert len(whole.network.layers.rnns) == 1
