"""Our own kernels against the same layer in NumPy, at sizes on either side of a vector, a block and a strip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.job import CELLS, Cell, ModelSpec
from backends.numpy import cells, native_library
from backends.parameters import layer, shapes

pytestmark = pytest.mark.skipif(native_library.compiler() is None, reason=str(native_library.why_no_compiler()))


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from(CELLS), length=st.integers(1, 4), batch=st.integers(1, 14), hidden=st.integers(1, 70),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_states_and_gradients_are_those_of_the_layer_in_numpy(
    cell: Cell, length: int, batch: int, hidden: int, seed: int
) -> None:
    from backends.numpy import native_kernels

    rng = np.random.default_rng(seed)
    sizes = layer(shapes(ModelSpec(cell, inputs=2, hidden=hidden, outputs=1, readout="last")), "l0")
    p = {name: (rng.standard_normal(shape) / hidden**0.5).astype("float32") for name, shape in sizes.items()}
    x, d_hs = (rng.standard_normal((length, batch, n)).astype("float32") for n in (2, hidden))
    found = []
    for layers in (cells.LAYERS, native_kernels.LAYERS):
        grads = {name: np.zeros_like(w) for name, w in p.items()}
        each = layers[cell](np, p, grads, length, batch)
        found.append([each.forward(x).copy(), each.backward(d_hs, d_x_wanted=True), *grads.values()])
    for expected, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)


def test_a_matrix_deeper_than_the_first_cache_is_taken_in_pieces() -> None:
    from backends.numpy.native_kernels import Rnn

    rng, hidden = np.random.default_rng(1), 1100
    p = {name: (rng.standard_normal(shape) / 33).astype("float32")
         for name, shape in {"W_ih": (hidden, 1), "W_hh": (hidden, hidden), "b": (hidden,)}.items()}  # fmt: skip
    x, found = rng.standard_normal((3, 2, 1)).astype("float32"), []
    for kind in (cells.Rnn, Rnn):
        found.append(kind(np, p, {name: np.zeros_like(w) for name, w in p.items()}, 3, 2).forward(x))
    np.testing.assert_allclose(found[1], found[0], rtol=2e-4, atol=2e-5)


def test_a_state_that_is_no_number_stays_one() -> None:
    from backends.numpy.native_kernels import Lstm

    p = {"W_ih": np.ones((12, 1), "float32"), "W_hh": np.zeros((12, 3), "float32"), "b": np.zeros(12, "float32")}
    layer_ = Lstm(np, p, {name: np.zeros_like(w) for name, w in p.items()}, 1, 1)
    assert np.isnan(layer_.forward(np.full((1, 1, 1), np.nan, "float32"))).all()
