"""An update is the same however the vectors are cut."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backends.job import OptimizerSpec
from backends.numpy import optimizer
from backends.numpy.optimizer import Optimizer, Spans

SPECS = [
    OptimizerSpec(),
    OptimizerSpec(name="adamw", weight_decay=0.1),
    OptimizerSpec(name="rmsprop"),
    OptimizerSpec(name="sgd", weight_decay=0.1),
]


@pytest.mark.parametrize("size", [1, 15, 16, 37, 100])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_an_update_is_the_same_to_the_bit_in_blocks_and_threads(
    spec: OptimizerSpec, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(size)
    start, *gradients = rng.standard_normal((4, size), "float32")

    def after(threads: ThreadPoolExecutor | None, count: int) -> np.ndarray:
        p = start.copy()
        updates = Optimizer(np, spec, p, Spans(np, size, threads, count))
        for g in gradients:
            updates.update(p, g.copy())
        return p

    whole = after(None, 1)
    monkeypatch.setattr(optimizer, "BLOCK", 16)
    with ThreadPoolExecutor(3) as pool:
        np.testing.assert_array_equal(after(pool, 3), whole)
    np.testing.assert_array_equal(after(None, 1), whole)
    assert not np.array_equal(whole, start)
