"""The oracle's gradients are checked by finite differences, its update rules against closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.conformance import NETWORKS, SEQUENCES, a_job, a_sequence_job, garbled, some_batches, start
from backends.job import CELLS, Job, OptimizerSpec


def loss(job: Job, p: dict[str, Any], batch: Any) -> float:
    lengths = batch.lengths if job.model.readout == "every" else None
    kept = reference.factors(job, batch.masks)
    outputs = reference.forward(job.model, p, batch.x, batch.lengths, kept).outputs
    return reference.loss_and_gradient(job.loss, outputs, batch.y, lengths, job.label_smoothing)[0]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("network", range(len(NETWORKS)))
def test_every_gradient_equals_the_central_difference(cell: str, network: int) -> None:
    """Every single element of every array; error of the difference is O(h²) = 1e-10."""
    assert_gradients_are_differences(a_job(cell, network))


@pytest.mark.parametrize("case", range(len(SEQUENCES)))
def test_every_gradient_with_lengths_or_ctc_equals_the_central_difference(case: int) -> None:
    assert_gradients_are_differences(a_sequence_job(case))


@pytest.mark.parametrize("job", [a_job(loss="cross-entropy"), a_sequence_job(1)], ids=["last", "every-lengths"])
def test_every_gradient_with_label_smoothing_equals_the_central_difference(job: Job) -> None:
    assert_gradients_are_differences(replace(job, label_smoothing=0.2))


@pytest.mark.parametrize(("layers", "bidirectional"), [(3, False), (2, True)])
def test_every_gradient_with_dropout_equals_the_central_difference(layers: int, bidirectional: bool) -> None:
    job = a_job("gru", 2, dropout=0.4)
    assert_gradients_are_differences(replace(job, model=replace(job.model, layers=layers, bidirectional=bidirectional)))


def test_dropout_is_on_the_way_between_layers_alone() -> None:
    """What is dropped of the layer below is what a layer above without those weights would not have read."""
    job = a_job("lstm", 2, dropout=0.4)
    p, [batch] = start(job), some_batches(job, 1)
    masks = np.zeros_like(batch.masks)
    masks[..., :2] = True  # the first two units are kept, the others dropped, at every step
    dropped = reference.forward(job.model, p, batch.x, None, reference.factors(job, masks)).outputs
    q = p | {"l1.W_ih": p["l1.W_ih"] * [1 / 0.6, 1 / 0.6, 0, 0]}
    np.testing.assert_allclose(dropped, reference.forward(job.model, q, batch.x).outputs, rtol=1e-12)


def test_label_smoothing_is_the_cross_entropy_with_the_mixture() -> None:
    """Szegedy et al. 2016, equation in section 7: H(q', p) = (1 − s) H(q, p) + s H(u, p), u uniform."""
    logits, y, classes = np.random.default_rng(0).standard_normal((5, 3)), np.array([0, 2, 1, 1, 0]), range(3)
    hard, *by_class = (reference.loss_and_gradient("cross-entropy", logits, np.resize(k, 5))[0] for k in (y, *classes))
    smooth, _ = reference.loss_and_gradient("cross-entropy", logits, y, smoothing=0.3)
    assert smooth == pytest.approx(0.7 * hard + 0.3 * np.mean(by_class), rel=1e-12)


@pytest.mark.parametrize(("network", "dropout"), [(0, 0.1), (2, 1.0), (2, -0.1)])
def test_dropout_of_one_layer_or_out_of_range_is_refused(network: int, dropout: float) -> None:
    with pytest.raises(ValueError, match="dropout is from 0 to below 1, and between layers"):
        a_job("lstm", network, dropout=dropout)


@pytest.mark.parametrize(("loss_of", "smoothing"), [("mse", 0.1), ("cross-entropy", 1.0), ("cross-entropy", -0.1)])
def test_label_smoothing_of_no_cross_entropy_or_out_of_range_is_refused(loss_of: Any, smoothing: float) -> None:
    with pytest.raises(ValueError, match="label smoothing"):
        a_job(loss=loss_of, label_smoothing=smoothing)


def assert_gradients_are_differences(job: Job) -> None:
    p, batch = start(job), some_batches(job, 1)[0]
    _, gradients = reference.loss_and_gradients(job, p, batch)
    h = 1e-5
    for name, array in p.items():
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + h
            above = loss(job, p, batch)
            array[index] = kept - h
            below = loss(job, p, batch)
            array[index] = kept
            numeric[index] = (above - below) / (2 * h)
        np.testing.assert_allclose(gradients[name], numeric, rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_wrong_gradient_would_be_seen() -> None:
    """The check above is worth its time: a sign turned in one gate moves the gradient by more than its tolerance."""
    job = a_job("lstm")
    p, batch = start(job), some_batches(job, 1)[0]
    _, right = reference.loss_and_gradients(job, p, batch)
    p["l0.W_hh"][:4] *= -1
    _, wrong = reference.loss_and_gradients(job, p, batch)
    assert np.linalg.norm(right["l0.W_ih"] - wrong["l0.W_ih"]) > 1e-3 * np.linalg.norm(right["l0.W_ih"])


def test_adams_first_step_is_the_learning_rate_in_the_gradients_sign() -> None:
    """m̂ = g and √v̂ = |g| at t = 1 (Kingma & Ba 2015), so the step is lr·g/(|g|+ε)."""
    spec = OptimizerSpec("adam", lr=0.1, clip=None)
    p, g = {"w": np.array([1.0, 2.0])}, {"w": np.array([0.5, -1e-3])}
    after = reference.Optimizer(spec, p).update(p, g)["w"]
    np.testing.assert_allclose(after, p["w"] - 0.1 * g["w"] / (np.abs(g["w"]) + 1e-8), rtol=1e-12)


@pytest.mark.parametrize(("name", "of_decay"), [("adamw", 0.1), ("sgd", 0.1), ("adam", 0.0), ("rmsprop", 0.0)])
def test_weight_decay_shrinks_apart_from_the_gradient_or_is_part_of_it(name: Any, of_decay: float) -> None:
    """At no gradient, adamw and sgd shrink by lr·λ; of λ·p alone, adam and rmsprop see little but the sign."""
    lr, decay, p = 0.1, 1e-3, {"w": np.array([1.0, -2.0])}
    spec = OptimizerSpec(name, lr, clip=None, weight_decay=decay)
    step = reference.Optimizer(spec, p).update(p, {"w": np.zeros(2)})["w"] - p["w"]
    if of_decay:
        np.testing.assert_allclose(step, -of_decay * decay * p["w"], rtol=1e-12)
    else:
        of_a_sign = lr if name == "adam" else lr / np.sqrt(1 - spec.alpha)
        np.testing.assert_allclose(step, -of_a_sign * np.sign(p["w"]), rtol=1e-3)


def test_l2_is_added_after_clipping() -> None:
    spec = OptimizerSpec("sgd", 1.0, clip=5.0, weight_decay=0.5)
    after = reference.Optimizer(spec, {"w": np.array([4.0])}).update({"w": np.array([4.0])}, {"w": np.array([50.0])})
    assert after["w"] == pytest.approx([4.0 - (5.0 + 0.5 * 4.0)])


def test_clipping_scales_to_the_norm_and_leaves_smaller_gradients_alone() -> None:
    g = {"a": np.array([3.0]), "b": np.array([4.0])}
    clipped = reference.clipped(g, 1.0)
    np.testing.assert_allclose([clipped["a"][0], clipped["b"][0]], [0.6, 0.8])
    assert reference.clipped(g, 5.0) is g
    assert reference.clipped(g, None) is g


def test_the_two_grus_are_the_same_function_where_nothing_is_reset() -> None:
    """With r = 1 everywhere the cells differ only in the convention for z: its rows change sign."""
    after, before = a_job("gru").model, a_job("gru-reset-before").model
    p = start(a_job("gru"))
    H = after.hidden
    p["l0.b_hh"][:] = 0
    p["l0.W_ih"][:H] = p["l0.W_hh"][:H] = 0
    p["l0.b_ih"][:H] = 40.0
    q = {name.replace("b_ih", "b"): array.copy() for name, array in p.items() if name != "l0.b_hh"}
    for name in ("l0.W_ih", "l0.W_hh", "l0.b"):
        q[name][H : 2 * H] *= -1
    x = some_batches(a_job("gru"), 1)[0].x
    np.testing.assert_allclose(reference.forward(before, q, x).outputs, reference.forward(after, p, x).outputs)


@pytest.mark.parametrize("case", range(len(SEQUENCES)))
def test_outputs_with_lengths_are_those_of_each_sequence_alone(case: int) -> None:
    """Cut to its own length, by itself: so that no padding can have been met."""
    job = a_sequence_job(case)
    p, batch = start(job), some_batches(job, 1)[0]
    lengths = np.full(job.batch, job.length) if batch.lengths is None else batch.lengths
    together = reference.forward(job.model, p, garbled(batch).x, batch.lengths).outputs
    for row, (x, n) in enumerate(zip(batch.x, lengths, strict=True)):
        alone = reference.forward(job.model, p, x[None, :n]).outputs[0]
        ours = together[row, :n] if job.model.readout == "every" else together[row]
        np.testing.assert_allclose(ours, alone, rtol=1e-12)


def test_the_mean_with_lengths_is_over_the_positions_of_all_sequences() -> None:
    """Not over the means of each: a longer sequence counts for more."""
    for case in (1, 6):
        job = a_sequence_job(case)
        p, batch = start(job), some_batches(job, 1)[0]
        outputs = reference.forward(job.model, p, batch.x, batch.lengths).outputs
        alone = [
            reference.loss_and_gradient(job.loss, o[None, :n], y[None, :n])[0] * n
            for o, y, n in zip(outputs, batch.y, batch.lengths, strict=True)
        ]
        assert loss(job, p, batch) == pytest.approx(sum(alone) / batch.lengths.sum(), rel=1e-12)


@pytest.mark.parametrize("case", [1, 2, 4, 5, 6])
def test_what_the_padding_holds_changes_no_bit_of_loss_and_gradients(case: int) -> None:
    job = a_sequence_job(case)
    p, batch = start(job), some_batches(job, 1)[0]
    value, gradients = reference.loss_and_gradients(job, p, batch)
    other_value, others = reference.loss_and_gradients(job, p, garbled(batch))
    assert value == other_value
    for name, gradient in gradients.items():
        np.testing.assert_allclose(others[name], gradient, rtol=1e-14, atol=1e-300, err_msg=name)
