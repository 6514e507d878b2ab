"""Kernels compiled once and kept: found again by the next process, and never what another process needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

import numpy as np
from numba import njit

from backends.numpy import kept_kernels
from harness.machine import software

#: Prints how often a kernel was found and how often compiled, and what it computes.
SCRIPT = """
import sys
import numpy as np
from backends.numpy.numba_kernels import rnn_backward as kernel
f = lambda *shape: np.full(shape, 0.5, "float32")
da = f(1, 1, 2)
kernel(f(1, 1, 2), f(2, 1, 2), da, f(2, 2), f(1, 2))
print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()), da.tolist())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kept = tmp_path / "harness" / "kernels"
    monkeypatch.setenv("HARNESS_KERNELS", str(kept))
    return kept


def double(x: float) -> float:
    return 2 * x


def called() -> tuple[int, int, float]:
    """Hits, misses and result of a kernel in a dispatcher of its own, as another process has one."""
    kernel = kept_kernels.keep(njit(double))
    result = kernel(1.5)
    return sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()), result


def test_a_kernel_is_compiled_once_and_found_by_the_next_process(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(software.SOURCE), "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    first, again = (subprocess.run(command, env=env, capture_output=True, text=True, check=True) for _ in range(2))
    computed = first.stdout.split(" ", 2)[2]
    assert first.stdout == f"0 1 {computed}"
    assert again.stdout == f"1 0 {computed}"
    assert np.isfinite(eval(computed)).all()


def test_what_is_damaged_is_compiled_again(folder: Path) -> None:
    assert called() == (0, 1, 3.0)
    assert called() == (1, 0, 3.0)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        file.write_bytes(damaged)
        assert called() == (0, 1, 3.0)
        assert file.read_bytes()[:32] != damaged[:32] or len(damaged) > 32
        assert called() == (1, 0, 3.0)


def test_a_folder_that_takes_no_file_costs_nothing_but_the_time(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("not a folder")
    assert called() == called() == (0, 1, 3.0)


@pytest.mark.parametrize("changed", ["source", "version", "processor", "types"])
def test_what_another_source_version_processor_or_type_compiled_is_not_used(
    changed: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called() == (0, 1, 3.0)
    kernel = kept_kernels.keep(njit(double))
    if changed == "source":
        other = tmp_path / "other.py"
        other.write_text("other")
        monkeypatch.setattr(kernel._cache, "_source", other)
    elif changed == "version":
        monkeypatch.setattr(kept_kernels.llvmlite, "__version__", "0")
    elif changed == "processor":
        monkeypatch.setattr(type(kernel.targetctx.codegen()), "magic_tuple", lambda _: ("other",))
    assert kernel(3 if changed == "types" else 1.5) == (6 if changed == "types" else 3.0)
    assert sum(kernel.stats.cache_misses.values()) == 1
    assert len(list(folder.iterdir())) == 2


def test_without_a_folder_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_KERNELS", "")
    kernel = kept_kernels.keep(njit(double))
    assert kernel(np.ones(2)).tolist() == [2, 2]
    assert not folder.exists()
