"""What measures a device's limits: each backend's probes do the work whose amount they state, and wait for its end."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

import backends
from backends import base
from backends.base import Probe, Probes
from backends.job import Job, ModelSpec, OptimizerSpec

#: At each size, at most.
LOOKS = 4
OURS = ("numpy", "torch", "tensorflow", "jax")


def probes_of(name: str, precision: Any = "float32") -> Probes:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    backend = backends.load(name)
    model = ModelSpec("lstm", inputs=1, hidden=1, outputs=1, readout="last")
    # one thread: two OpenMP threads beside another process wait for each other, however small the work is
    job = Job(model, "mse", OptimizerSpec(), batch=1, length=1, threads=1, precision=precision)
    backend.start(job)
    probes = backend.probes(job)
    assert probes is not None
    return probes


def shortest_s(probe: Probe, times: int = 5) -> float:
    """After a first run, which may compile."""
    probe.run()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        probe.run()
        found.append(time.perf_counter() - began)
    return min(found)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_amounts_are_what_is_stated_and_rates_are_in_proportion(name: str, precision: str) -> None:
    probes = probes_of(name, precision)
    assert probes.product.amount == 2 * base.PRODUCT_SIDE["cpu"] ** 3
    assert probes.copy.amount in (2 * base.COPY_BYTES, 3 * base.COPY_BYTES)
    assert probes.step.amount == base.STEPS
    product, step = (shortest_s(probe, 2) for probe in (probes.product, probes.step))
    flops_of_steps = 2 * base.STEP_SIDE**3 * base.STEPS
    assert probes.product.amount / product > 3 * flops_of_steps / step, "a large product is more than many tiny ones"


def larger_products(patch: pytest.MonkeyPatch, module: Any, size: int) -> None:
    patch.setitem(base.PRODUCT_SIDE, "cpu", 384 * size)


def larger_copies(patch: pytest.MonkeyPatch, module: Any, size: int) -> None:
    patch.setattr(module, "COPY_BYTES", size * 2**25)


def more_steps(patch: pytest.MonkeyPatch, module: Any, size: int) -> None:
    patch.setattr(module, "STEPS", 2000 * size)


#: (probe, what makes it as large, two sizes, how many times as long the larger one must take, at least).
SIZES: list[tuple[str, Callable[..., None], int, int, float]] = [
    ("product", larger_products, 1, 3, 3.0),  # 27 times the work
    ("copy", larger_copies, 1, 4, 2.0),
    ("step", more_steps, 1, 4, 2.0),
]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize(("probe", "resize", "small", "large", "least"), SIZES, ids=lambda each: str(each)[:7])
def test_a_larger_probe_takes_longer(
    name: str, probe: str, resize: Callable[..., None], small: int, large: int, least: float
) -> None:
    """So it does as much as its size says, and returns when that is done: work left in a queue takes no time.

    What others compute only adds to a time: the shortest of several looks counts, some moments apart.
    """
    module = sys.modules[probes_of(name).copy.run.__module__]

    def seconds(size: int) -> float:
        with pytest.MonkeyPatch.context() as patch:
            resize(patch, module, size)
            return shortest_s(getattr(probes_of(name), probe))

    shortest = {small: math.inf, large: math.inf}
    for _ in range(LOOKS):
        shortest = {size: min(found, seconds(size)) for size, found in shortest.items()}
        if shortest[large] > least * shortest[small]:
            break
    assert shortest[large] > least * shortest[small]
