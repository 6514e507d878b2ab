"""The spec of a contestant: what it refuses, what its job is, what the gate is shown of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.specs.base import one_line
from harness.specs.shapes import SHAPES
from harness.specs.speed import SpeedSpec

FIELDS: dict[str, Any] = {
    "backend": "numpy", "threads": 1, "model": {"hidden": 5}, "batch": 3, "length": 4, "features": 2,
}  # fmt: skip
lengths = st.integers(1, 10**6).flatmap(
    lambda length: st.fixed_dictionaries({"length": st.just(length), "shortest": st.none() | st.integers(1, length)})
)
specs = st.fixed_dictionaries({
    "batch": st.integers(1, 10**6), "outputs": st.integers(1, 10**6),
    "loss": st.sampled_from(["mse", "cross-entropy"]), "readout": st.sampled_from(["last", "every"]),
    "precision": st.sampled_from(["float32", "float64", "tf32", "bfloat16"]),
    "denormals": st.sampled_from(["flush", "keep"]),
    "chunk": st.integers(1, 10**6), "seed": st.integers(0, 2**63 - 1),
})  # fmt: skip


@given(specs, lengths)
def test_a_spec_survives_json_and_knows_its_job(changes: dict[str, Any], lengths: dict[str, Any]) -> None:
    spec = SpeedSpec.model_validate(FIELDS | changes | lengths)
    assert SpeedSpec.model_validate_json(spec.model_dump_json()) == spec
    job = spec.job()
    assert (job.batch, job.length, job.chunk, job.loss) == (spec.batch, spec.length, spec.chunk, spec.loss)
    assert (job.model.inputs, job.model.outputs, job.model.readout) == (2, spec.outputs, spec.readout)
    assert job.variable == (spec.shortest is not None)


@given(lengths, st.integers(2, 3), st.data())
def test_what_the_gate_sees_of_a_spec_can_be(lengths: dict[str, Any], outputs: int, data: st.DataObject) -> None:
    """Shortened in proportion, sequences still hold their labels."""
    room = lengths["shortest"] or lengths["length"]
    labels = data.draw(st.integers(1, (room + 1) // 2 if outputs == 2 else room))
    ctc = {"loss": "ctc", "readout": "every", "outputs": outputs, "labels": labels}
    spec = SpeedSpec.model_validate(FIELDS | lengths | ctc)
    short = spec.shortened(64)
    assert short.length == min(64, spec.length)
    assert SpeedSpec.model_validate(short.model_dump()) == short


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"shortest": 5}, "shortest: at most the length, 4 steps, not 5"),
        ({"labels": 1}, "labels: only loss ctc has labels, not mse"),
        ({"loss": "ctc", "readout": "every", "outputs": 2, "labels": 3}, "labels: 3 of one class do not fit into"),
        ({"loss": "ctc", "readout": "last"}, "loss: ctc needs readout every, not last"),
        ({"length": 0}, "length: input should be greater than or equal to 1, not 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SpeedSpec.model_validate(FIELDS | fields)
    assert one_line(refused.value).startswith(says)


def test_what_is_chosen_wins_over_the_shape_and_other_options_fill_nothing() -> None:
    spec = SpeedSpec.of_shape(SHAPES["C"], backend="torch", cell="gru", threads=1, hidden=7, rounds=3, optimizer="sgd")
    assert (spec.model.hidden, spec.batch, spec.loss, spec.optimizer.name) == (7, 128, "cross-entropy", "sgd")


def test_contestants_share_everything_but_who_computes_it() -> None:
    spec = SpeedSpec.model_validate(FIELDS)
    other = spec.model_copy(update={"backend": "jax", "variant": "scan", "device": "cuda"})
    assert spec.shape() == other.shape()
    assert spec.shape() != spec.model_copy(update={"seed": 1}).shape()
