"""TensorFlow's variants for CUDA, as far as they can be tested without a GPU: traced, not run."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Any

import pytest

from backends.conformance import SEQUENCES, a_job, a_sequence_job, start
from backends.job import Cell, Job, Precision
from backends.tensorflow import TensorflowBackend

pytest.importorskip("tensorflow")
backend = TensorflowBackend()

JOBS = [
    *(a_job(cell, 3, variant="keras", precision=precision) for cell in ("lstm", "gru") for precision in ("float64",)),
    a_job("lstm", 3, variant="keras", precision="bfloat16"),
    *(a_sequence_job(case, variant="keras", precision="float32") for case in range(len(SEQUENCES))),
]


def traced(job: Job, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """The graph of the training step where Keras believes that there is a GPU, and what ``executed`` says of it."""
    import keras  # noqa: F401 - loads the module below; its package has a function of the same name

    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    trainer: Any = backend.build(job, {name: p.astype(job.dtype) for name, p in start(job).items()})
    return trainer.step.graph.as_graph_def(), trainer.executed(None)


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    backend.start(a_job(precision="float64"))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: f"{job.model.cell}-{job.loss}-{job.precision}-{job.variable}")
def test_keras_layers_are_cudnns_forward_and_backward(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cuDNN is not available Keras silently takes its loop: for none of these jobs."""
    graph, executed = traced(job, monkeypatch)
    patterns = {each.name: each.runs for each in backend.variants(job.model, "cuda")}
    assert re.match(patterns["keras"], executed), executed
    calls = job.model.layers * job.model.directions
    forward, backward = ([node for node in graph.node if node.op == f"CudnnRNN{kind}V3"] for kind in ("", "Backprop"))
    assert (len(forward), len(backward)) == (calls, calls)
    dtype = {"float64": 2, "float32": 1, "bfloat16": 14}[job.precision]
    assert {node.attr["T"].type for node in (*forward, *backward)} == {dtype}


@pytest.mark.parametrize(
    ("cell", "variant", "precision"), [("gru-reset-before", "keras", "float32"), ("lstm", "keras-unrolled", "float32")]
)
def test_what_cudnn_does_not_compute_is_called_by_its_own_name(
    cell: Cell, variant: str, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(a_job(cell, 3, variant=variant), precision=precision)
    _, executed = traced(job, monkeypatch)
    patterns = {each.name: each.runs for each in backend.variants(job.model, "cuda")}
    assert re.match(patterns[variant], executed), executed
    assert "Cudnn" not in executed
