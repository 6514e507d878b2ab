"""CPUs, denormals and memory, each tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness.machine import process

DENORMALS = """
import json, sys, threading
from harness.machine import process
assert process.flush_denormals(sys.argv[1] == "flush")
import numpy as np
found = []
def halve():
    found.append(float(np.full(3, np.finfo(np.float32).tiny, np.float32)[0] * np.float32(0.5)))
halve()
thread = threading.Thread(target=halve); thread.start(); thread.join()
a = np.full((512, 512), 1e-21, np.float32)  # every product 1e-42, every sum of 512 of them denormal
found.append(float((a @ a.T).max()))
print(json.dumps(found))
"""


def in_a_process(code: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *words], capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("policy", ["flush", "keep"])
def test_the_denormal_policy_is_in_force_in_new_threads_too(policy: str) -> None:
    main, thread, blas = json.loads(in_a_process(DENORMALS, policy))
    assert [main == 0, thread == 0, blas == 0] == [policy == "flush"] * 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be pinned")
def test_pinning_leaves_these_cpus() -> None:
    last = process.available_cpus()[-1]
    code = f"from harness.machine import process; print(process.pin([{last}]), process.available_cpus())"
    assert in_a_process(code) == f"[{last}] [{last}]\n"


PEAK = """
from harness.machine import process
block = bytearray(200 * 2**20); del block
high = process.peak_resident_bytes()
process.reset_peak()
print(high, process.peak_resident_bytes(), process.resident_bytes())
"""


@pytest.mark.skipif(process.peak_resident_bytes() is None, reason="this kernel keeps no high-water mark")
def test_the_peak_is_the_kernels_mark_since_its_reset() -> None:
    high, after, now = map(int, in_a_process(PEAK).split())
    assert high > 200 * 2**20
    assert after < high - 150 * 2**20
    assert after >= now * 0.9


LARGE_PARENT = """
import subprocess, sys
block = bytearray(300 * 2**20)
subprocess.run([sys.executable, "-c", "from harness.machine import process; print(process.peak_resident_bytes())"])
"""


@pytest.mark.skipif(process.peak_resident_bytes() is None, reason="this kernel keeps no high-water mark")
def test_a_large_parent_does_not_raise_its_childs_peak() -> None:
    assert int(in_a_process(LARGE_PARENT)) < 100 * 2**20
