"""The public suite fails when it should: weight conversions broken on purpose, each in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends import ctc
from backends.base import Trainer
from backends.conformance import BackendConformance
from backends.job import Array, Cell, Job, Parameters
from backends.numpy import NumpyBackend, network
from backends.numpy.network import reverse_within

Mutation = Callable[[str, Array], Array]


class Broken(NumpyBackend):
    """NumPy's backend behind a conversion that is wrong."""

    def __init__(self, mutation: Mutation) -> None:
        self.mutation = mutation

    def build(self, job: Job, parameters: Parameters) -> Trainer:
        return super().build(job, {name: self.mutation(name, p) for name, p in parameters.items()})


def swap_first_gates(name: str, p: Array) -> Array:
    """As when one framework's z, r, n is taken for another's r, z, n."""
    if name.startswith("head"):
        return p
    first, second, *rest = np.split(p, 4 if p.shape[0] == 16 else 3)
    return np.concatenate([second, first, *rest])


def transpose_recurrent_gates(name: str, p: Array) -> Array:
    gates = np.split(p, p.shape[0] // p.shape[1]) if name.endswith("W_hh") else []
    return np.concatenate([gate.T for gate in gates]) if gates else p


def forget_the_bias(name: str, p: Array) -> Array:
    return np.zeros_like(p) if name == "l0.b" else p


def negate_z(name: str, p: Array) -> Array:
    """As when h' = (1−z)n + zh is taken for h' = (1−z)h + zn."""
    if name.startswith("head"):
        return p
    r, z, n = np.split(p, 3)
    return np.concatenate([r, -z, n])


@pytest.mark.parametrize(
    ("cell", "mutation"),
    [
        ("lstm", swap_first_gates),
        ("gru", swap_first_gates),
        ("rnn", transpose_recurrent_gates),
        ("lstm", transpose_recurrent_gates),
        ("lstm", forget_the_bias),
        ("gru-reset-before", negate_z),
    ],
)
def test_a_broken_conversion_fails_the_suite(cell: Cell, mutation: Mutation) -> None:
    suite: Any = BackendConformance()
    suite.backend = Broken(mutation)
    with pytest.raises(AssertionError):
        suite.test_loss_and_gradients_agree_with_the_reference(cell, "hoisted", 0, "float64")
    with pytest.raises(AssertionError):
        suite.test_parameters_after_20_adam_steps_agree_with_the_reference(cell, "hoisted", "float32")


def test_the_same_suite_passes_unbroken() -> None:
    suite: Any = BackendConformance()
    suite.backend = Broken(lambda _, p: p)
    suite.test_loss_and_gradients_agree_with_the_reference("lstm", "hoisted", 0, "float64")


def flip_padding_too(xp: Any, x: Array, lengths: Array) -> Array:
    """As when the backward direction reads the padding before the sequence."""
    return x[::-1]


def off_by_one(xp: Any, x: Array, lengths: Array) -> Array:
    return reverse_within(xp, x, lengths - 1)


@pytest.mark.parametrize("wrong", [flip_padding_too, off_by_one])
@pytest.mark.parametrize("case", [1, 2, 4, 5])
def test_a_wrong_reversal_fails_the_suite(
    case: int, wrong: Callable[..., Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "reverse_within", wrong)
    assert_sequences_fail(case)


@pytest.mark.parametrize("case", [0, 4])
def test_a_final_state_read_past_the_end_fails_the_suite(case: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.Network, "_ends", lambda _: (-1, slice(None)))
    assert_sequences_fail(case)


def test_a_ctc_loss_divided_by_its_labels_fails_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's ``reduction="mean"`` does."""

    class Divided:
        @staticmethod
        def loss_and_gradient(out: Array, y: Array, *rest: Any) -> tuple[Any, Array]:
            loss, gradient = ctc.loss_and_gradient(out, y, *rest)
            return loss / 3, gradient / 3

    monkeypatch.setattr(network, "ctc", Divided)
    assert_sequences_fail(3)


def test_a_smoothing_without_its_share_for_the_label_itself_fails_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when X is spread over the other classes alone, and X / classes less falls to the label."""
    right = network.Network.__init__

    def wrong(self: Any, xp: Any, kind: Any, job: Job, *rest: Any) -> None:
        right(self, xp, kind, job, *rest)
        self.smoothing *= job.model.outputs / (job.model.outputs - 1)

    monkeypatch.setattr(network.Network, "__init__", wrong)
    suite: Any = BackendConformance()
    suite.backend = NumpyBackend()
    with pytest.raises(AssertionError):
        suite.test_label_smoothing_is_the_one_rule()
    with pytest.raises(AssertionError):
        suite.test_dropout_is_by_the_masks_of_the_batch_and_in_training_alone("hoisted", "float64")


def not_scaled(self: network.Network, hs: Array, index: int) -> Array:
    return hs if self.masks is None or index == 0 else hs * self.masks[index - 1]


def by_another_boundary(self: network.Network, hs: Array, index: int) -> Array:
    """As when masks and layers are counted from different ends."""
    return hs if self.masks is None or index == 0 else hs * self.masks[-index] * self.scale


def not_in_the_backward_pass(self: network.Network, hs: Array, index: int) -> Array:
    self.calls = getattr(self, "calls", 0) + 1  # type: ignore[attr-defined]
    forward = (self.calls - 1) % 5 < 3  # type: ignore[attr-defined]  # three layers forward, two boundaries backward
    return hs if self.masks is None or index == 0 or not forward else hs * self.masks[index - 1] * self.scale


def in_prediction_too(self: network.Network, hs: Array, index: int) -> Array:
    """As when the masks of the last update stay."""
    if self.masks is not None:
        self.last = self.masks  # type: ignore[attr-defined]
    return hs if index == 0 else hs * self.last[index - 1] * self.scale  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [not_scaled, by_another_boundary, not_in_the_backward_pass, in_prediction_too])
def test_a_wrong_dropout_fails_the_suite(wrong: Callable[..., Array], monkeypatch: pytest.MonkeyPatch) -> None:
    suite: Any = BackendConformance()
    suite.backend = NumpyBackend()
    suite.test_dropout_is_by_the_masks_of_the_batch_and_in_training_alone("hoisted", "float64")
    monkeypatch.setattr(network.Network, "_dropped", wrong)
    with pytest.raises(AssertionError):
        suite.test_dropout_is_by_the_masks_of_the_batch_and_in_training_alone("hoisted", "float64")


def assert_sequences_fail(case: int) -> None:
    suite: Any = BackendConformance()
    suite.backend = NumpyBackend()
    for precision in ("float64", "float32"):
        with pytest.raises(AssertionError):
            suite.test_lengths_and_ctc_agree_with_the_reference_whatever_the_padding_holds(case, "hoisted", precision)
