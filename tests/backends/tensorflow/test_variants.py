"""TensorFlow's registry of variants. Nothing here imports TensorFlow."""

from __future__ import annotations

from typing import Any

import pytest

from backends.conformance import a_job
from backends.job import Cell, Device, Job
from backends.tensorflow import FEW_STEPS, LARGE, SHORT, SMALL, TensorflowBackend
from backends.tensorflow.variants import LONGEST_UNROLLED
from tests.fixtures.jobs import sized

backend = TensorflowBackend()


@pytest.mark.parametrize(
    ("cell", "device", "keras"),
    [("lstm", "cpu", "While$"), ("lstm", "cuda", "CudnnRNNV3$"), ("gru", "cuda", "CudnnRNNV3$"),
     ("rnn", "cuda", "While$"), ("gru-reset-before", "cuda", "While$")],
)  # fmt: skip
def test_keras_is_cudnn_where_cudnn_has_the_cell(cell: Cell, device: Device, keras: str) -> None:
    assert {each.name: each.runs for each in backend.variants(a_job(cell).model, device)}["keras"] == keras


def test_why_not_names_the_cell_before_the_device() -> None:
    reasons = {each.name: each.reason for each in backend.variants(a_job("gru").model, "cuda")}
    assert reasons["block-parts"] == reasons["block"] == "BlockLSTM computes no cell but the LSTM"
    assert reasons["keras-parts"] == "a thread for each part of the batch is of use on the CPU only"
    assert reasons["xla"] is None


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"variant": "keras-parts", "threads": 1}, "two threads"),
        ({"variant": "block-parts", "batch": 1}, "two sequences"),
        ({"variant": "keras-unrolled", "length": LONGEST_UNROLLED + 1}, "traced for minutes"),
        ({"variant": "keras-unrolled", "length": LONGEST_UNROLLED}, None),
        ({"variant": "keras", "threads": 1}, None),
    ],
)
def test_what_a_variant_lacks_for_a_job(changes: dict[str, Any], lacks: str | None) -> None:
    found = backend.lacks(a_job(**changes))
    assert lacks in found if lacks and found else found is lacks


@pytest.mark.parametrize(
    ("job", "chosen"),
    [
        (sized("lstm", SMALL), "block-parts"),
        (sized("lstm", SMALL, length=SHORT), "block"),
        (sized("lstm", SMALL, threads=1), "block"),
        (sized("lstm", SMALL, precision="float64", length=FEW_STEPS + 1), "xla-parts"),
        (sized("lstm", SMALL + 1, length=FEW_STEPS + 1), "xla-parts"),
        (sized("lstm", SMALL + 1, length=FEW_STEPS), "keras-parts"),
        (sized("lstm", SMALL + 1, length=SHORT), "keras-parts"),
        (sized("gru", SMALL + 1, length=FEW_STEPS), "xla-parts"),
        (sized("lstm", LARGE, length=FEW_STEPS), "xla-parts"),
        (sized("lstm", SMALL + 1, threads=1), "keras"),
        (sized("lstm", LARGE), "xla-parts"),
        (sized("lstm", LARGE, threads=1), "xla"),
        (sized("gru", SMALL), "xla-parts"),
        (sized("gru", SMALL, threads=1), "xla"),
        (sized("rnn", SMALL + 1), "keras-parts"),
        (sized("gru-reset-before", SMALL + 1), "xla"),
        (sized("gru", SMALL, device="cuda"), "keras"),
        (sized("rnn", SMALL, device="cuda"), "xla"),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{each.model.cell}-{each.model.hidden}",
)
def test_auto_goes_by_cell_size_and_threads(job: Job, chosen: str) -> None:
    assert backend.choose(job).variant == chosen
