"""The recurrence's backward pass written by hand, compared with the gradient that TensorFlow derives, cell by cell."""

from __future__ import annotations

import numpy as np
import pytest

from backends.job import CELLS, Cell
from backends.parameters import GATES

tf = pytest.importorskip("tensorflow")
T, B, H = 5, 3, 4


@pytest.mark.parametrize("length", [1, T])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_that_tensorflow_derives_without_a_loop(cell: Cell, length: int) -> None:
    from backends.tensorflow.cells import CELLS as RULES
    from backends.tensorflow.recurrence import Products, recurrence

    rng, rules, columns = np.random.default_rng(3), RULES[cell], GATES[cell] * H
    sources = [tf.constant(rng.normal(size=shape)) for shape in ((length, B, columns), (H, columns), (columns,))]
    d_hs = tf.constant(rng.normal(size=(length, B, H)))

    def unrolled(a: tf.Tensor, U: tf.Tensor, b_hh: tf.Tensor) -> tf.Tensor:
        widths = [gates * H for gates in rules.blocks]
        product = Products(tf.split(U, widths, axis=1), tf.split(b_hh, widths))
        state, hs = (tf.zeros((B, H), a.dtype),) * rules.states, []
        for t in range(length):
            state = rules.step(a[t], state, product)
            hs.append(state[0])
        return tf.stack(hs)

    found = []
    for compute in (lambda *sources: recurrence(cell, *sources), unrolled):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            hs = compute(*sources)
        found.append([hs, *tape.gradient(hs, sources, output_gradients=d_hs)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_step_that_is_replayed_computes_no_product_again() -> None:
    """Its products are the saved values, whatever its left sides are, and pass the gradient on by U."""
    from backends.tensorflow.recurrence import Replayed

    U, saved, left = tf.constant([[2.0, 3.0]]), tf.constant([[5.0, 7.0]]), tf.constant([[100.0]])
    replayed = Replayed([U], [saved])
    with tf.GradientTape() as tape:
        tape.watch(left)
        u = replayed(0, left)
    np.testing.assert_array_equal(u, saved)
    np.testing.assert_array_equal(tape.gradient(u, left, output_gradients=tf.constant([[1.0, 10.0]])), [[32.0]])
    assert replayed.lefts == [left]
    assert replayed.made == [u]
