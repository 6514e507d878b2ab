"""JAX's variant ``cudnn``, as far as it can be tested without a GPU.

cuDNN's LSTM is replaced by ``lstm_ref``, the reference that JAX itself tests cuDNN against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.conformance import NETWORKS, SEQUENCES, a_job, a_sequence_job, assert_close, some_batches, start, train
from backends.jax import JaxBackend
from backends.job import Job, OptimizerSpec

jax = pytest.importorskip("jax")
rnn = pytest.importorskip("jax.experimental.rnn")
backend = JaxBackend()


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    backend.start(a_job(precision="float64"))


def plain_lstm(x: Any, h: Any, c: Any, weights: Any, lengths: Any, *rest: Any) -> Any:
    """``rnn.lstm`` by ``rnn.lstm_ref``."""
    inputs, hidden, layers, dropout, bidirectional, precision = rest
    assert precision == jax.lax.Precision.HIGHEST
    unpacked = rnn.unpack_lstm_weights(weights, inputs, hidden, layers, bidirectional)
    return rnn.lstm_ref(x, h, c, *unpacked, lengths, inputs, hidden, layers, dropout, bidirectional)


LSTMS: list[Callable[..., Job]] = [
    *(lambda network=n, **changes: a_job("lstm", network, **changes) for n in range(len(NETWORKS))),
    lambda **changes: a_job("lstm", 3, dropout=0.4, variable=True, **changes),
    *(lambda case=n, **changes: a_sequence_job(case, **changes) for n, c in enumerate(SEQUENCES) if c[0] == "lstm"),
]


@pytest.mark.parametrize("job_of", LSTMS)
def test_cudnns_arguments_give_the_references_loss_gradients_and_outputs(
    job_of: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All layers, directions, readouts and lengths, the gradients in the canonical layout."""
    monkeypatch.setattr(rnn, "lstm", plain_lstm)
    lr = 1e4
    job = job_of(variant="cudnn", precision="float64", optimizer=OptimizerSpec("sgd", lr, clip=None))
    if backend.lacks(job):
        pytest.skip(str(backend.lacks(job)))
    p, [batch] = start(job), some_batches(job, 1)
    trainer = backend.build(job, p)
    predicted = trainer.predict(batch.x, batch.lengths)
    losses = train(trainer, job, [batch])
    loss, expected = reference.loss_and_gradients(job, p, batch)
    assert losses == pytest.approx([loss], rel=1e-9)
    assert_close({k: (p[k] - after) / lr for k, after in trainer.parameters().items()}, expected, 1e-9, "gradient of")
    outputs = reference.forward(job.model, p, batch.x, batch.lengths).outputs
    if job.model.readout == "every" and batch.lengths is not None:
        counts = np.arange(job.length) < batch.lengths[:, None]
        predicted, outputs = predicted[counts], outputs[counts]
    np.testing.assert_allclose(predicted, outputs, rtol=1e-9, atol=1e-12)


def equations(jaxpr: Any) -> Iterator[Any]:
    """All of them, those of inner programs too."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            if inner := getattr(value, "jaxpr", None):
                yield from equations(inner)


@pytest.mark.parametrize("variable", [False, True], ids=["full", "lengths"])
def test_cudnn_is_called_once_forward_and_once_backward_in_ieee_float32(
    variable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced, not run: to run it JAX would ask cuDNN for the size of its workspace."""
    sizes = "compute_rnn_workspace_reserve_space_sizes"
    monkeypatch.setattr(rnn.gpu_rnn, sizes, lambda *_: (1, 1), raising=False)
    job = a_job("lstm", 3, variant="cudnn", precision="float32", variable=variable)
    trainer: Any = backend.build(job, {name: p.astype("float32") for name, p in start(job).items()})
    [batch] = trainer.stage([some_batches(job, 1)[0].astype("float32")])
    traced = jax.make_jaxpr(trainer._step)(trainer.tensors, trainer.state, *batch)
    calls = [equation for equation in equations(traced.jaxpr) if equation.primitive.name.startswith("rnn_")]
    assert [call.primitive.name for call in calls] == ["rnn_fwd", "rnn_bwd"]
    assert not any(call.params["cudnn_allow_tf32"] for call in calls)
    assert {str(each.aval.dtype) for call in calls for each in call.outvars} == {"float32"}


def test_cudnn_is_lstm_and_float32_only() -> None:
    reasons = {
        cell: {v.name: v for v in backend.variants(a_job(cell).model, "cuda")}["cudnn"] for cell in ("lstm", "gru")
    }
    assert reasons["lstm"].reason is None
    assert reasons["lstm"].precisions == ("float32",)
    assert reasons["gru"].reason == "of cuDNN's layers JAX has the LSTM alone"
