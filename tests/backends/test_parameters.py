"""Layout, initialisation and operation counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.job import CELLS, ModelSpec
from backends.parameters import InitialisationSpec, count, dependent_steps, flops_per_step, initial, shapes

models = st.builds(
    ModelSpec,
    cell=st.sampled_from(CELLS),
    inputs=st.integers(1, 6),
    hidden=st.integers(1, 8),
    outputs=st.integers(1, 5),
    readout=st.sampled_from(["last", "every"]),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
)


@given(models, st.integers(0, 2**63 - 1))
def test_initial_parameters_follow_the_layout_and_repeat_bit_for_bit(model: ModelSpec, seed: int) -> None:
    first, second = (initial(model, InitialisationSpec(), seed) for _ in range(2))
    assert {name: p.shape for name, p in first.items()} == shapes(model)
    assert sum(p.size for p in first.values()) == count(model)
    for name, p in first.items():
        np.testing.assert_array_equal(p, second[name])


@pytest.mark.parametrize(
    ("cell", "hidden", "parameters"), [("lstm", 130, 69_950), ("gru-reset-before", 150, 69_910), ("rnn", 256, 68_618)]
)
def test_counts_match_the_models_of_bai_et_al_2018(cell: Any, hidden: int, parameters: int) -> None:
    """Table 1, pixel MNIST: about 70,000 parameters each with the head, counted with one bias per gate."""
    assert count(ModelSpec(cell, inputs=1, hidden=hidden, outputs=10, readout="last")) == parameters


def test_recurrent_weights_are_orthogonal_gate_by_gate() -> None:
    p = initial(ModelSpec("lstm", 3, 8, 2, "last"), InitialisationSpec(), 0)
    for gate in np.split(p["l0.W_hh"], 4):
        np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-12)


@pytest.mark.parametrize(("scheme", "limit"), [("glorot", np.sqrt(6 / 16)), ("uniform", 1 / np.sqrt(8))])
def test_uniform_schemes_fill_their_interval(scheme: Any, limit: float) -> None:
    p = initial(ModelSpec("gru", 3, 8, 2, "last"), InitialisationSpec(recurrent=scheme), 0)
    assert 0.9 * limit < np.abs(p["l0.W_hh"]).max() <= limit


def test_forget_bias_sits_on_the_forget_gate_alone() -> None:
    p = initial(ModelSpec("lstm", 3, 4, 2, "last"), InitialisationSpec(forget_bias=10.0), 0)
    assert p["l0.b"].tolist() == [0.0] * 4 + [10.0] * 4 + [0.0] * 8


@pytest.mark.parametrize(
    ("cell", "bias", "sign"), [("lstm", "b", 1), ("gru", "b_ih", 1), ("gru-reset-before", "b", -1)]
)
def test_chrono_makes_every_cell_remember(cell: Any, bias: str, sign: int) -> None:
    """Tallec & Ollivier 2018: the gate that keeps the state starts at log U[1, T_max − 1]."""
    p = initial(ModelSpec(cell, 3, 64, 2, "last"), InitialisationSpec(chrono=100), 0)
    keeps = sign * p[f"l0.{bias}"][64:128]
    assert keeps.min() >= 0
    assert np.log(50) < keeps.max() <= np.log(99)
    if cell == "lstm":
        np.testing.assert_array_equal(p["l0.b"][:64], -p["l0.b"][64:128])


def test_flops_by_hand() -> None:
    """One LSTM layer, B=2, T=3, D=5, H=7: three products of 4·T·B·H·(D+H) multiply-adds, less dX."""
    model = ModelSpec("lstm", 5, 7, 1, "last")
    recurrent = 3 * 2 * 4 * 3 * 2 * 7 * (5 + 7) - 2 * 4 * 3 * 2 * 7 * 5
    assert flops_per_step(model, batch=2, length=3) == recurrent + 3 * 2 * 2 * 7


@pytest.mark.parametrize(
    ("layers", "bidirectional", "steps"), [(1, False, 14), (1, True, 14), (4, False, 20), (4, True, 56)]
)
def test_what_must_follow_one_another_of_seven_steps(layers: int, bidirectional: bool, steps: int) -> None:
    model = ModelSpec("gru", 1, 1, 1, "last", layers=layers, bidirectional=bidirectional)
    assert dependent_steps(model, 7) == steps
