"""The bodies of the CUDA kernels, without a GPU: a C++ compiler makes a plain loop of each, in float64."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends import reference
from backends.base import CELLS, Array, Job, time_major
from backends.conformance import NETWORKS, SEQUENCES, a_job, a_sequence_job, assert_close, some_batches, start
from backends.numpy import cells, kernels
from backends.numpy.network import Network

LOOP = """
#include <cmath>
#define __device__
using std::tanh;
typedef double T;
{preamble}
extern "C" void {name}(long rows, long columns, char **at, const long *strides) {{
  for (long i = 0; i < rows * columns; ++i) {{  // CuPy too calls it i
    const long row = i / columns, column = i % columns;
    {elements}
    {operation}
  }}
}}
"""


class PlainKernel:
    """``cupy.ElementwiseKernel`` on NumPy's arrays."""

    def __init__(self, folder: Path, inputs: str, outputs: str, operation: str, name: str, preamble: str) -> None:
        self.inputs, self.outputs = ([each.split()[-1] for each in names.split(",")] for names in (inputs, outputs))
        elements = [
            f"{'const ' if k < len(self.inputs) else ''}T &{each} = "
            f"*(T *)(at[{k}] + row * strides[{2 * k}] + column * strides[{2 * k + 1}]);"
            for k, each in enumerate(self.inputs + self.outputs)
        ]
        source, library = folder / f"{name}.cpp", folder / f"{name}.so"
        source.write_text(
            LOOP.format(preamble=preamble, name=name, elements="\n    ".join(elements), operation=operation)
        )
        strict = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
        subprocess.run(["g++", *strict, str(source), "-o", str(library)], check=True)
        self.run = ctypes.CDLL(str(library))[name]

    def __call__(self, *arrays: Array) -> None:
        assert len(arrays) == len(self.inputs) + len(self.outputs)
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        assert all(array.shape == shape for array in arrays[len(self.inputs) :]), "outputs are not broadcast"
        assert all(array.dtype == np.float64 for array in arrays)
        seen = [np.broadcast_to(array, shape) for array in arrays]
        at = (ctypes.c_void_p * len(seen))(*(array.ctypes.data for array in seen))
        strides = (ctypes.c_long * (2 * len(seen)))(*(stride for array in seen for stride in array.strides))
        self.run(ctypes.c_long(shape[0]), ctypes.c_long(shape[1]), at, strides)


class PlainCupy:
    """NumPy with an ``ElementwiseKernel``; counts its launches, and the products before which CuPy would copy."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.launches, self.copies = folder, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def ElementwiseKernel(  # noqa: N802 - CuPy's name
        self, inputs: str, outputs: str, operation: str, name: str, preamble: str, no_return: bool
    ) -> Callable[..., None]:
        assert no_return
        run = PlainKernel(self.folder, inputs, outputs, operation, name, preamble)

        def launch(*arrays: Array) -> None:
            self.launches += 1
            run(*arrays)

        return launch

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        self.copies += sum(not (each.flags.c_contiguous or each.flags.f_contiguous) for each in (a, b))
        self.copies += not out.flags.c_contiguous
        return np.matmul(a, b, out=out)


@pytest.fixture(scope="module")
def xp(tmp_path_factory: pytest.TempPathFactory) -> PlainCupy:
    if shutil.which("g++") is None:
        pytest.skip("a kernel's body is compiled by g++, which is not here")
    return PlainCupy(tmp_path_factory.mktemp("kernels"))


def gradients(xp: Any, layers: Any, job: Job) -> tuple[Any, dict[str, Array]]:
    """Loss and gradients of one batch, on buffers that have served another before."""
    p = start(job)
    grads = {name: np.zeros_like(array) for name, array in p.items()}
    network = Network(xp, layers[job.model.cell], job, p, grads)
    loss = None
    for batch in reversed(some_batches(job, 2)):
        by_step = job.model.readout == "every" and job.loss != "ctc"
        loss = network.loss_and_gradients(
            time_major(batch.x), time_major(batch.y) if by_step else batch.y, batch.lengths
        )
    return loss, grads


JOBS = [
    *(a_job(cell, network, precision="float64") for cell in CELLS for network in range(len(NETWORKS))),
    *(a_sequence_job(case, precision="float64") for case in range(len(SEQUENCES))),
]


def name_of(job: Job) -> str:
    m = job.model
    return f"{m.cell}-{m.layers}{'x2' if m.bidirectional else ''}-{m.readout}-{job.loss}{'-lengths' * job.variable}"


@pytest.mark.parametrize("job", JOBS, ids=name_of)
def test_the_kernels_compute_the_references_loss_and_gradients(xp: PlainCupy, job: Job) -> None:
    loss, ours = gradients(xp, kernels.LAYERS, job)
    expected_loss, expected = reference.loss_and_gradients(job, start(job), some_batches(job, 2)[0])
    by_numpy_loss, by_numpy = gradients(np, cells.LAYERS, job)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    assert loss == pytest.approx(by_numpy_loss, rel=1e-12)
    assert_close(ours, expected, 1e-12, "gradient of")
    assert_close(ours, by_numpy, 1e-12, "gradient beside NumPy's of")


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_one_kernel_each_way_and_copies_nothing(xp: PlainCupy, cell: str) -> None:
    """Two where the second product waits for the reset gate."""
    job = a_job(cell, 0, precision="float64")
    before, copies = xp.launches, xp.copies
    gradients(xp, kernels.LAYERS, job)
    assert xp.launches - before == 2 * 2 * job.length * (2 if cell == "gru-reset-before" else 1)
    assert xp.copies - copies < job.length
