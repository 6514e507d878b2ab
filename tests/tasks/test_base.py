"""What every task inherits: parameters and their checks, random streams, losses."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks
from tasks.adding import Adding
from tasks.base import Batch, Scalar, TaskError, correct, generator, loss_value
from tasks.sine import Sine


@given(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**32)), st.tuples(st.integers(0, 2**63 - 1), st.integers()))
@settings(max_examples=40, deadline=None)
def test_streams_differ_in_seed_and_index(one: tuple[int, int], other: tuple[int, int]) -> None:
    other = (other[0], abs(other[1]) % 2**32)
    draws = [generator(seed, "train", index).integers(0, 2**63, 4).tolist() for seed, index in (one, other)]
    assert (draws[0] == draws[1]) == (one == other)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("adding", {"length": 0}, "adding: length must be at least 2, not 0"),
        ("adding", {"length": "12"}, "adding: length must be a whole number, not '12'"),
        ("adding", {"length": True}, "adding: length must be a whole number, not True"),
        ("adding", {"length": 12.0}, "adding: length must be a whole number, not 12.0"),
        ("adding", {"markers": "both"}, "adding: markers must be 'halves' or 'anywhere', not 'both'"),
        ("adding", {"markers": None}, "adding: markers must be 'halves' or 'anywhere', not None"),
        ("adding", {"lenght": 3}, "unknown parameter of adding 'lenght'; did you mean 'length'?"),
        ("copy", {"delay": 0}, "copy: delay must be at least 1, not 0"),
        ("copy", {"symbols": 0}, "copy: symbols must be at least 1, not 0"),
        ("copy", {"alphabet": 1}, "copy: alphabet must be at least 2, not 1"),
        ("sine", {"length": 20}, "sine: length must be at least 21, not 20"),
        ("sine", {"noise": -1}, "sine: noise must be at least 0, not -1.0"),
        ("sine", {"noise": float("nan")}, "sine: noise must be a finite number, not nan"),
        ("sine", {"noise": 10**400}, "sine: noise must be a finite number, not 1000"),
        ("sine", {"features": 0}, "sine: features must be at least 1, not 0"),
        ("sine", {"readout": "first"}, "sine: readout must be 'last' or 'every', not 'first'"),
        ("sequential-digits", {"order": "column"}, "sequential-digits: order must be 'row' or 'pixel', not 'column'"),
        ("sequential-mnist", {"permutation_seed": -1}, "sequential-mnist: permutation_seed must be at least 0"),
    ],
)
def test_a_bad_parameter_is_refused_in_one_line(name: str, parameters: dict[str, Scalar], message: str) -> None:
    with pytest.raises(TaskError) as refused:
        tasks.load(name, parameters)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_whole_number_for_a_float_makes_the_same_task() -> None:
    whole = tasks.load("sine", {"noise": 0})
    assert whole == tasks.load("sine", {"noise": 0.0})
    assert type(whole.parameters["noise"]) is float


@given(st.text(max_size=6))
def test_parsing_never_fails_but_with_a_task_error(text: str) -> None:
    for kind in (Adding, Sine):
        for parameter in kind.defaults():
            with contextlib.suppress(TaskError):
                kind(**{parameter: kind.parse(parameter, text)})


def test_cross_entropy_of_uniform_logits_is_the_log_of_the_classes() -> None:
    y = np.array([[0, 3], [1, 2]], dtype=np.int32)
    assert loss_value("cross-entropy", np.full((2, 2, 4), 1e4), y) == pytest.approx(np.log(4))


def test_mse_is_the_mean_over_all_elements_in_float64() -> None:
    p = np.array([[1.0, 2.0], [3.0, 5.0]], dtype=np.float32)
    assert loss_value("mse", p, np.zeros((2, 2), np.float32)) == (1 + 4 + 9 + 25) / 4


def test_ctc_is_not_computed_here() -> None:
    with pytest.raises(ValueError, match=r"backends\.ctc does"):
        loss_value("ctc", np.zeros((1, 2, 3)), np.ones((1, 1), np.int32))


def test_a_logit_that_is_not_finite_is_never_correct() -> None:
    logits = np.array([[0.0, 1.0], [np.nan, 0.0], [0.0, np.inf], [2.0, 1.0]])
    assert correct(logits, np.array([1, 0, 1, 1])).tolist() == [True, False, False, False]


def test_a_batch_changes_the_precision_of_its_floats_only() -> None:
    lengths = np.array([2, 1], dtype=np.int32)
    classes = Batch(np.ones((2, 2, 1), np.float32), np.array([0, 1], dtype=np.int32), lengths).astype("float64")
    assert (classes.x.dtype, classes.y.dtype, len(classes)) == (np.float64, np.int32, 2)
    assert classes.lengths is lengths
    assert Batch(classes.x, classes.x).astype("float32").y.dtype == np.float32
