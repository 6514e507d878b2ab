"""The backward pass written by hand, compared with the one that autodiff derives, cell by cell."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest

from backends.conformance import a_job, some_batches, start
from backends.jax import JaxBackend
from backends.job import CELLS, Cell
from backends.parameters import GATES

jax = pytest.importorskip("jax")
T, B, H = 5, 3, 4


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    JaxBackend().start(a_job(precision="float64"))


def arrays(cell: Cell, *leading: int) -> tuple[dict[str, Any], Any]:
    """Recurrent weights, and a projected input of shape (*leading, G·H)."""
    rng, rows = np.random.default_rng(3), GATES[cell] * H
    return {"W_hh": rng.normal(size=(rows, H)), "b_hh": rng.normal(size=rows)}, rng.normal(size=(*leading, rows))


@pytest.mark.parametrize("unroll", [1, 4])
@pytest.mark.parametrize("reverse", [False, True], ids=["in-order", "reverse"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_autodiff(cell: Cell, reverse: bool, unroll: int) -> None:
    from backends.jax.recurrence import deferred_dw, scan

    p, projected = arrays(cell, T, B)
    if cell != "gru":
        del p["b_hh"]
    expected, autodiff = jax.vjp(partial(scan, cell, reverse), p, projected)
    found, by_hand = jax.vjp(partial(deferred_dw, unroll, cell, reverse), p, projected)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    d_hs = np.random.default_rng(4).normal(size=expected.shape)
    for ours, theirs in zip(jax.tree.leaves(by_hand(d_hs)), jax.tree.leaves(autodiff(d_hs)), strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_backwards_is_the_gradient_of_the_step_forwards(cell: Cell) -> None:
    from backends.jax.cells import CELLS as RULES

    rules = RULES[cell]
    p, a = arrays(cell, B)
    rng = np.random.default_rng(5)
    state = tuple(rng.normal(size=(B, H)) for _ in range(rules.states))
    after, autodiff, saved = jax.vjp(partial(rules.forward, p), a, state, has_aux=True)
    d_after = tuple(rng.normal(size=each.shape) for each in after)
    for ours, theirs in zip(
        jax.tree.leaves(rules.backward(p, saved, d_after)), jax.tree.leaves(autodiff(d_after)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("variant", ["deferred-dw", "unrolled", "chunk"])
def test_what_executed_finds_for_a_single_sequence_is_what_the_variants_name_says(variant: str) -> None:
    """XLA makes sums of the backward pass's products with a single row."""
    backend = JaxBackend()
    job = a_job("lstm", 0, variant=variant, batch=1, length=20)
    trainer = backend.build(job, {name: p.astype(job.dtype) for name, p in start(job).items()})
    executed = trainer.executed(some_batches(job, 1)[0].astype(job.dtype))
    assert re.match(backend.variant(job).runs, executed), executed
