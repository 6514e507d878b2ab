"""JAX's variants for CUDA, as far as they can be tested without a GPU.

cuDNN's LSTM is replaced by ``lstm_ref``, the reference that JAX itself tests cuDNN against.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.base import Unsupported
from backends.conformance import NETWORKS, SEQUENCES, a_job, a_sequence_job, assert_close, some_batches, start, train
from backends.jax import JaxBackend
from backends.job import Job, OptimizerSpec
from backends.parameters import layer, layer_names

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


@pytest.mark.parametrize("network", range(len(NETWORKS)))
def test_the_flat_vector_unpacks_to_the_canonical_arrays(network: int) -> None:
    from backends.jax.convert import cudnn_weights

    model = a_job("lstm", network).model
    p = start(a_job("lstm", network))
    flat = cudnn_weights(model, p)
    size = rnn.get_num_params_in_lstm(model.inputs, model.hidden, model.layers, model.bidirectional)
    assert flat.shape == (size,)
    unpacked = rnn.unpack_lstm_weights(flat, model.inputs, model.hidden, model.layers, model.bidirectional)
    for pseudo_layer, (_, _, prefix) in enumerate(layer_names(model)):
        own = layer(p, prefix)
        expected = own["W_ih"], own["W_hh"], own["b"], np.zeros_like(own["b"])
        for ours, theirs in zip((kind[pseudo_layer] for kind in unpacked), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


LSTMS: list[Callable[..., Job]] = [
    *(lambda network=n, **changes: a_job("lstm", network, **changes) for n in range(len(NETWORKS))),
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


def test_command_buffers_are_options_that_xla_knows() -> None:
    """On the CPU they have no effect, and XLA refuses what it does not know."""
    from backends.jax.command_buffers import OPTIONS

    job = a_job("lstm", 3, variant="deferred-dw-graph", precision="float64")
    p, batches = start(job), some_batches(job, 2)
    trainer, same = (backend.build(replace(job, variant=name), p) for name in ("deferred-dw-graph", "deferred-dw"))
    np.testing.assert_array_equal(train(trainer, job, batches), train(same, job, batches))
    for option, value in (("xla_gpu_enable_command_buffer", "WHYLE"), ("xla_gpu_command_buffer_unroll_loop", True)):
        with pytest.raises(RuntimeError, match=r"WHYLE|unroll_loop"):
            jax.jit(lambda x: x).lower(1.0).compile({**OPTIONS, option: value})


#: What XLA (jaxlib 0.10.2) writes for CUDA, shortened: two loops launched step by step, a graph in the first one's body …
BY_STEP = """\
000: kCommandBuffer [source       | next=009 (1) ]
    001: kCustomKernel [source       | sink        ] loop_add_negate_fusion grid: [1, 1, 1] threads: [1, 1, 1]
009: kWhile         [prev=000 (1) | next=025 (1) ]
condition:
    010: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
  body:
    000: kCommandBuffer      [prev=014 (1) | next=022 (1)]
        016: kCustomKernel [source       | next=017 (1)] loop_add_multiply_fusion grid: [64, 1, 1]
025: kCopy          [prev=009 (1) | next=027 (2) ] kCopy
027: kWhile         [prev=026 (1) | next=043 (1) ]
condition:
    028: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
"""
#: … and the second one in a graph with what comes before it.
ONE_IN_A_GRAPH = """\
009: kWhile         [prev=000 (1) | next=025 (1) ]
condition:
    010: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
000: kCommandBuffer [source | sink]
    001: kCustomKernel [source       | sink        ] loop_add_negate_fusion grid: [1, 1, 1] threads: [1, 1, 1]
    008: kWhile        [prev=007 (1) | next=024 (1) ]
    condition:
        009: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
"""


@pytest.mark.parametrize(("launches", "found"), [(BY_STEP, (0, 2)), (ONE_IN_A_GRAPH, (1, 2))])
def test_loops_in_command_buffers_are_counted(launches: str, found: tuple[int, int]) -> None:
    from backends.jax.command_buffers import counted

    assert counted(launches) == found


def test_a_variant_is_what_executed_says() -> None:
    """With texts seen where XLA compiled these steps for CUDA."""
    patterns = {variant.name: variant.runs for variant in backend.variants(a_job().model, "cuda")}
    in_graph, none = (f"XLA while, 4 + 4 products in it, {n} of 8 loops in command buffers" for n in (8, 0))
    assert re.match(patterns["deferred-dw-graph"], in_graph)
    assert not re.match(patterns["deferred-dw-graph"], none)
    assert not re.match(patterns["deferred-dw"], in_graph)
    assert re.match(patterns["cudnn"], "XLA, __cublas$lt$matmul, cudnn_rnn_bwd_ffi, cudnn_rnn_ffi")


@pytest.mark.parametrize("variant", ["cudnn", "deferred-dw-graph"])
def test_on_the_cpu_a_variant_for_cuda_says_why_not(variant: str) -> None:
    with pytest.raises(Unsupported, match=f"variant '{variant}': .* on CUDA only"):
        backend.resolve(a_job("lstm", variant=variant))


def test_cudnn_is_lstm_and_float32_only() -> None:
    reasons = {
        cell: {v.name: v for v in backend.variants(a_job(cell).model, "cuda")}["cudnn"] for cell in ("lstm", "gru")
    }
    assert reasons["lstm"].reason is None
    assert reasons["lstm"].precisions == ("float32",)
    assert reasons["gru"].reason == "of cuDNN's layers JAX has the LSTM alone"


def test_the_denormal_policy_is_read_on_the_cpu_though_a_gpu_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU keeps denormals whatever the CPU does: read on the GPU, every run under the usual policy would be refused."""
    cpus = jax.devices("cpu")
    client = SimpleNamespace(platform_version="PJRT C API\ncuda 13000")
    imaginary = SimpleNamespace(device_kind="NVIDIA Imaginary 40GB", client=client)  # nothing can be placed on it
    monkeypatch.setattr(jax, "devices", lambda platform: [imaginary] if platform == "cuda" else cpus)
    try:
        found = backend.start(a_job(device="cuda"))
    finally:
        monkeypatch.undo()
        on_cpu = backend.start(a_job(precision="float64"))
    assert (found.flushes_denormals, found.threads) == (on_cpu.flushes_denormals, on_cpu.threads)
    assert found.device_name == "NVIDIA Imaginary 40GB"
    assert found.versions["cuda"] == "13000"
