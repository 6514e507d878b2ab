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


WIDE = {cell: ModelSpec(cell, inputs=24, hidden=32, outputs=8, readout="last") for cell in CELLS}


def drawn(model: ModelSpec, framework: Any, forget_bias: float = 0.0) -> dict[str, Any]:
    """The framework's start of a model, by our generator."""
    return initial(model, InitialisationSpec(framework, framework, forget_bias), seed=3)


def alike(ours: Any, theirs: Any, bounded: bool = True) -> None:
    """Two draws of as many numbers from one distribution: of one mean and spread and, of bounded ones, one interval."""
    assert ours.size == theirs.size
    assert ours.std() == pytest.approx(theirs.std(), rel=0.15, abs=1e-12)
    assert not bounded or abs(ours).max() == pytest.approx(abs(theirs).max(), rel=0.15, abs=1e-12)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=4 * theirs.std() / np.sqrt(theirs.size / 2) + 1e-12)


@pytest.mark.parametrize(("cell", "layer"), [("rnn", "SimpleRNN"), ("lstm", "LSTM"), ("gru", "GRU")])
def test_the_start_of_keras_is_kerass(cell: Any, layer: str) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    theirs = keras.Sequential([keras.Input((None, 24)), getattr(keras.layers, layer)(32), keras.layers.Dense(8)])
    kernel, recurrent, bias, *head = theirs.get_weights()
    ours = drawn(WIDE[cell], "keras", forget_bias=1.0)
    alike(ours["l0.W_ih"], kernel)
    alike(ours["l0.W_hh"], recurrent, bounded=False)
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(32), atol=1e-5)
    np.testing.assert_allclose(ours["l0.W_hh"].T @ ours["l0.W_hh"], np.eye(32), atol=1e-12)
    for name in {"b", "b_ih", "b_hh"} & {name.removeprefix("l0.") for name in ours}:
        assert ours[f"l0.{name}"].sum() == (32 if cell == "lstm" else 0)
    assert bias.sum() == (32 if cell == "lstm" else 0)
    alike(ours["head.W"], head[0])
    assert not ours["head.b"].any()
    assert not head[1].any()


@pytest.mark.parametrize(("cell", "layer"), [("rnn", "RNN"), ("lstm", "LSTM"), ("gru", "GRU")])
def test_the_start_of_torch_is_torchs(cell: Any, layer: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    ours, theirs, head = drawn(WIDE[cell], "torch"), getattr(torch.nn, layer)(24, 32), torch.nn.Linear(32, 8)
    known = {name: value.detach().numpy() for name, value in theirs.named_parameters()}
    alike(ours["l0.W_ih"], known["weight_ih_l0"])
    alike(ours["l0.W_hh"], known["weight_hh_l0"])
    b_ih, b_hh = known["bias_ih_l0"], known["bias_hh_l0"]
    for name, bias in {"b": b_ih + b_hh, "b_ih": b_ih, "b_hh": b_hh}.items():
        if f"l0.{name}" in ours:
            limit = (2 if name == "b" else 1) / np.sqrt(32)
            assert abs(ours[f"l0.{name}"]).max() <= limit
            assert ours[f"l0.{name}"].std() == pytest.approx(bias.std(), rel=0.35)
    alike(ours["head.W"], head.weight.detach().numpy())
    assert abs(ours["head.b"]).max() <= 1 / np.sqrt(32)


def test_a_forget_bias_is_added_to_torchs_start() -> None:
    plain, more = (drawn(WIDE["lstm"], "torch", bias)["l0.b"] for bias in (0.0, 1.0))
    np.testing.assert_allclose(more - plain, np.repeat([0.0, 1.0, 0.0, 0.0], 32), atol=1e-15)
