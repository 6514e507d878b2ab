"""CTC against the sum over all alignments, and against finite differences."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backends import jax as jax_backend
from backends.ctc import frames_needed, loss_and_gradient
from backends.job import Job, ModelSpec, OptimizerSpec
from backends.synthetic import random_batches


def said_by(path: tuple[int, ...]) -> list[int]:
    """The labels of a path of classes: repeats merged, then blanks removed (ℬ in Graves et al. 2006, section 3.1)."""
    return [label for label, _ in groupby(path) if label != 0]


def probability(outputs: Any, labels: list[int]) -> float:
    """Σ over all paths that say ``labels`` of the product of their softmax probabilities (eqs. 2, 3)."""
    y = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    steps, classes = y.shape
    paths = (path for path in product(range(classes), repeat=steps) if said_by(path) == labels)
    return sum(float(np.prod([y[t, k] for t, k in enumerate(path)])) for path in paths)


def padded(rows: list[list[int]]) -> Any:
    width = max(1, *map(len, rows))
    return np.array([row + [-1] * (width - len(row)) for row in rows], np.int32)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, list[list[int]], Any]:
    """Outputs (B, T, K), labels and lengths that can be said."""
    steps, classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    lengths = draw(st.lists(st.integers(1, steps), min_size=1, max_size=3))
    rows = [draw(st.lists(st.integers(1, classes - 1), max_size=n)) for n in lengths]
    assume((frames_needed(padded([[], *rows])[1:]) <= lengths).all())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return 3 * rng.standard_normal((len(rows), steps, classes)), rows, np.array(lengths, np.int32)


@given(problems())
def test_the_loss_is_the_sum_over_all_alignments(problem: tuple[Any, list[list[int]], Any]) -> None:
    outputs, rows, lengths = problem
    loss, _ = loss_and_gradient(outputs, padded([[], *rows])[1:], lengths)
    each = [-np.log(probability(o[:n], row)) for o, row, n in zip(outputs, rows, lengths, strict=True)]
    assert loss == pytest.approx(np.mean(each), rel=1e-10, abs=1e-12)


@given(problems())
def test_the_gradient_is_the_central_difference_and_zero_in_the_padding(
    problem: tuple[Any, list[list[int]], Any],
) -> None:
    outputs, rows, lengths = problem
    y, h = padded([[], *rows])[1:], 1e-5
    _, gradient = loss_and_gradient(outputs, y, lengths)
    numeric = np.empty_like(outputs)
    for index in np.ndindex(outputs.shape):
        above, below = outputs.copy(), outputs.copy()
        above[index] += h
        below[index] -= h
        numeric[index] = (loss_and_gradient(above, y, lengths)[0] - loss_and_gradient(below, y, lengths)[0]) / (2 * h)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
    for row, n in zip(gradient, lengths, strict=True):
        assert not row[n:].any()


@given(st.lists(st.integers(1, 3), max_size=6))
def test_frames_needed_are_the_fewest_in_which_the_labels_can_be_said(labels: list[int]) -> None:
    needed = int(frames_needed(padded([labels]))[0])
    with_blanks = [c for i, c in enumerate(labels) for c in ([0, c] if i and labels[i - 1] == c else [c])]
    assert said_by(tuple(with_blanks)) == labels
    assert len(with_blanks) == needed


def test_a_sequence_too_short_for_its_labels_is_refused() -> None:
    """Two equal labels need a blank between them."""
    with pytest.raises(ValueError, match="fewer steps than its labels need"):
        loss_and_gradient(np.zeros((1, 2, 3)), np.array([[1, 1]]))


def test_nothing_overflows_over_a_thousand_confident_steps() -> None:
    outputs = 200 * np.random.default_rng(0).standard_normal((2, 1000, 5))
    loss, gradient = loss_and_gradient(outputs, np.array([[1, 1, 2], [3, -1, -1]]), np.array([1000, 500]))
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-8)  # of softmax less occupancies, both summing to 1


# -- random batches -------------------------------------------------------------------------------


@given(st.integers(2, 4), st.integers(1, 5), st.integers(0, 6), st.booleans(), st.integers(0, 99))
def test_random_batches_can_be_said(outputs: int, labels: int, room: int, variable: bool, seed: int) -> None:
    length = (2 * labels - 1 if outputs == 2 else labels) + room
    model = ModelSpec("gru", 2, 3, outputs, "every")
    job = Job(model, "ctc", OptimizerSpec(), batch=4, length=length, variable=variable, labels=labels)
    for batch in random_batches(job, 2, seed, shortest=length - room):
        lengths = np.full(4, length) if batch.lengths is None else batch.lengths
        assert (frames_needed(batch.y) <= lengths).all()
        assert ((batch.y >= 1) & (batch.y < outputs)).all()
        assert lengths.min() >= length - room
        assert lengths.max() == length


def test_random_batches_that_cannot_be_said_are_refused() -> None:
    model = ModelSpec("gru", 2, 3, 3, "every")
    job = Job(model, "ctc", OptimizerSpec(), batch=4, length=5, variable=True, labels=4)
    with pytest.raises(ValueError, match="do not fit into"):
        random_batches(job, 9, seed=0, shortest=2)


def test_a_ctc_job_must_be_read_out_at_every_step_and_have_labels() -> None:
    for readout, labels in (("last", 3), ("every", 0)):
        with pytest.raises(ValueError, match="ctc needs"):
            Job(ModelSpec("lstm", 2, 3, 4, readout), "ctc", OptimizerSpec(), 1, 9, labels=labels)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "loss", "shape"),
    [
        (ModelSpec("lstm", 123, 320, 10, "last"), "cross-entropy", {"batch": 64, "length": 100}),
        (ModelSpec("lstm", 123, 320, 10, "last"), "cross-entropy", {"batch": 32, "length": 1000}),
        (ModelSpec("lstm", 123, 320, 10, "last", 4, True), "cross-entropy", {"batch": 32, "length": 1000}),
        (
            ModelSpec("lstm", 123, 320, 59, "every", 4, True),
            "ctc",
            {"batch": 32, "length": 1000, "variable": True, "labels": 100},
        ),
    ],
    ids=["CE-short", "CE-long", "4x320-CE-long", "4x320-CTC-long"],
)
def test_the_models_of_braun_2018_can_be_drawn(model: ModelSpec, loss: Any, shape: dict[str, Any]) -> None:
    [batch] = random_batches(Job(model, loss, OptimizerSpec(), **shape), 1, seed=0)
    assert batch.x.shape == (shape["batch"], shape["length"], 123)
    if loss == "ctc":
        assert batch.y.shape == (32, 100)
        assert batch.lengths is not None
        assert (batch.lengths.min(), batch.lengths.max()) >= (500, 1000)


def test_jax_without_optax_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else still runs."""
    monkeypatch.setattr(jax_backend, "find_spec", lambda _: None)
    backend, model = jax_backend.JaxBackend(), ModelSpec("lstm", 2, 3, 4, "every")
    assert "pip install optax" in (backend.lacks(Job(model, "ctc", OptimizerSpec(), 1, 9, labels=2)) or "")
    assert backend.lacks(Job(model, "cross-entropy", OptimizerSpec(), 1, 9, variable=True)) is None
