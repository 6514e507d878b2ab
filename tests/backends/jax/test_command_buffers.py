"""Loops in command buffers, as far as they can be tested without a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backends.conformance import a_job, some_batches, start, train
from backends.jax import JaxBackend

jax = pytest.importorskip("jax")
backend = JaxBackend()


@pytest.fixture(autouse=True, scope="module")
def _started() -> None:
    backend.start(a_job(precision="float64"))


def test_command_buffers_are_options_that_xla_knows() -> None:
    """On the CPU they have no effect, and XLA refuses what it does not know."""
    from backends.jax.command_buffers import OPTIONS

    job = a_job("lstm", 3, variant="deferred-dw-graph", precision="float64")
    p, batches = start(job), some_batches(job, 2)
    trainer, same = (backend.build(replace(job, variant=name), p) for name in ("deferred-dw-graph", "deferred-dw"))
    np.testing.assert_array_equal(train(trainer, job, batches), train(same, job, batches))
    for option, value in (("xla_gpu_enable_command_buffer", "WHYLE"), ("xla_gpu_command_buffer_unroll_loop", True)):
        with pytest.raises(RuntimeError, match=r"WHYLE|unroll_loop"):
            jax.jit(lambda x: x).lower(1.0).compile({**OPTIONS, option: value})


#: What XLA (jaxlib 0.10.2) writes for CUDA, shortened: two loops launched step by step, the first with a graph in it …
BY_STEP = """\
000: kCommandBuffer [source       | next=009 (1) ]
    001: kCustomKernel [source       | sink        ] loop_add_negate_fusion grid: [1, 1, 1] threads: [1, 1, 1]
009: kWhile         [prev=000 (1) | next=025 (1) ]
condition:
    010: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
  body:
    000: kCommandBuffer      [prev=014 (1) | next=022 (1)]
        016: kCustomKernel [source       | next=017 (1)] loop_add_multiply_fusion grid: [64, 1, 1]
025: kCopy          [prev=009 (1) | next=027 (2) ] kCopy
027: kWhile         [prev=026 (1) | next=043 (1) ]
condition:
    028: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
"""
#: … and the second one in a graph with what comes before it.
ONE_IN_A_GRAPH = """\
009: kWhile         [prev=000 (1) | next=025 (1) ]
condition:
    010: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
000: kCommandBuffer [source | sink]
    001: kCustomKernel [source       | sink        ] loop_add_negate_fusion grid: [1, 1, 1] threads: [1, 1, 1]
    008: kWhile        [prev=007 (1) | next=024 (1) ]
    condition:
        009: kCustomKernel [source | sink] loop_compare_fusion grid: [1, 1, 1] threads: [1, 1, 1]
"""


@pytest.mark.parametrize(("launches", "found"), [(BY_STEP, (0, 2)), (ONE_IN_A_GRAPH, (1, 2))])
def test_loops_in_command_buffers_are_counted(launches: str, found: tuple[int, int]) -> None:
    from backends.jax.command_buffers import counted

    assert counted(launches) == found
