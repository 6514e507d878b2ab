"""One policy for all threads of a process, or none of its figures count.

Not with NumPy: its BLAS hands the caller's policy to its threads with each product (OpenBLAS's ``CONSISTENT_FPCSR``).
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from backends import denormals
from backends.base import Unsupported

#: A process whose libraries start their threads under one policy, and whose own thread then follows another.
SCRIPT = """
from harness.machine import process
process.pin(process.available_cpus()[:2])
process.flush_denormals({first})
import backends
from backends.base import Unsupported
from backends.job import Job, ModelSpec, OptimizerSpec
job = Job(ModelSpec("lstm", 1, 1, 1, "last"), "mse", OptimizerSpec(), 1, 1, threads=2)
backend = backends.load("torch")
backend.start(job)
process.flush_denormals({then})
try:
    print(backend.start(job).flushes_denormals)
except Unsupported as error:
    print(error)
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize(
    ("first", "then", "said"),
    [(True, True, "True"), (False, False, "False"), (False, True, "some of its threads flush")],
)
def test_every_thread_is_read(first: bool, then: bool, said: str) -> None:
    script = SCRIPT.format(first=first, then=then)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(said), done.stdout + done.stderr


def test_what_is_found_is_one_policy_or_a_reason() -> None:
    kept, zero = np.full(3, np.finfo(np.float32).smallest_subnormal), np.zeros(3, np.float32)
    assert denormals.flushed(zero, zero)
    assert not denormals.flushed(kept, kept)
    for mixed in ([zero, kept], [np.concatenate([zero, kept])]):
        with pytest.raises(Unsupported, match="some of its threads"):
            denormals.flushed(*mixed)


def test_the_operands_halve_to_denormals() -> None:
    """In a process that keeps them, as this one does."""
    smallest, half = denormals.operands()
    assert ((smallest @ half) > 0).all()
    assert ((smallest @ half) < np.finfo(np.float32).tiny).all()
