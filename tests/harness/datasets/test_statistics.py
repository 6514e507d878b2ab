"""Moments block by block are those of all at once, also far from zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets.statistics import Frequencies, Moments
from harness.errors import UsageError


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.sampled_from([0.0, 1e6]))
def test_moments_of_blocks_are_those_of_all(sizes: list[int], offset: float) -> None:
    rng = np.random.default_rng(sum(sizes))
    blocks = [rng.standard_normal((size, 3)) + offset for size in [*sizes, 2]]
    together, found = np.concatenate(blocks), Moments()
    for block in blocks:
        found.add(block)
    assert found.count == len(together)
    np.testing.assert_allclose(found.mean, together.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.variance, together.var(axis=0), rtol=1e-6)
    assert found.largest == np.abs(together).max()


def test_a_constant_column_is_scaled_by_one() -> None:
    found = Moments()
    found.add(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert found.constant == [1]
    assert found.scale.tolist() == [1.0, 1.0]


def test_frequencies_grow_with_the_classes() -> None:
    found = Frequencies()
    for block in ([0, 1, 1], [], [4]):
        found.add(np.array(block, int))
    assert found.padded(6).tolist() == [1, 2, 0, 0, 1, 0]
    with pytest.raises(UsageError, match="classes go up to 65,536"):
        found.add(np.array([65_536]))
