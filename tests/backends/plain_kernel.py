"""The body of an element-wise CUDA kernel as a plain loop, which a C++ compiler makes of it."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np

from backends.job import Array

LOOP = """
#include <cmath>
#define __device__
using std::tanh;
typedef {type} T;
{preamble}
extern "C" void {name}(long rows, long columns, char **at, const long *strides) {{
  for (long i = 0; i < rows * columns; ++i) {{  // CuPy too calls it i
    const long row = i / columns, column = i % columns;
    {elements}
    {operation}
  }}
}}
"""
TYPES = {"float32": "float", "float64": "double"}


class PlainKernel:
    """``cupy.ElementwiseKernel`` on NumPy's arrays of two dimensions or one, all of one type."""

    def __init__(self, folder: Path, inputs: str, outputs: str, operation: str, name: str, preamble: str) -> None:
        self.inputs, self.outputs = ([each.split()[-1] for each in names.split(",")] for names in (inputs, outputs))
        assert "i" not in self.inputs + self.outputs, "CuPy keeps this name for itself"
        self.folder, self.operation, self.name, self.preamble = folder, operation, name, preamble
        self.run = {dtype: self._compiled(dtype) for dtype in TYPES}

    def _compiled(self, dtype: str) -> ctypes._CFuncPtr:
        elements = [
            f"{'const ' if k < len(self.inputs) else ''}T &{each} = "
            f"*(T *)(at[{k}] + row * strides[{2 * k}] + column * strides[{2 * k + 1}]);"
            for k, each in enumerate(self.inputs + self.outputs)
        ]
        source = self.folder / f"{self.name}_{dtype}.cpp"
        source.write_text(
            LOOP.format(
                type=TYPES[dtype], preamble=self.preamble, name=self.name, elements="\n    ".join(elements),
                operation=self.operation,
            )
        )  # fmt: skip
        strict = ["-Wall", "-Wextra", "-Werror", "-Wdouble-promotion", "-O1", "-shared", "-fPIC"]
        library = source.with_suffix(".so")
        subprocess.run(["g++", *strict, str(source), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))[self.name]

    def __call__(self, *arrays: Array) -> None:
        assert len(arrays) == len(self.inputs) + len(self.outputs)
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        assert all(array.shape == shape for array in arrays[len(self.inputs) :]), "outputs are not broadcast"
        (dtype,) = {array.dtype.name for array in arrays}
        self._apart(arrays[: len(self.inputs)], arrays[len(self.inputs) :])
        seen = [np.broadcast_to(array, shape) for array in arrays]
        at = (ctypes.c_void_p * len(seen))(*(array.ctypes.data for array in seen))
        strides = (ctypes.c_long * (2 * len(seen)))(*(stride for array in seen for stride in array.strides))
        self.run[dtype](ctypes.c_long(shape[0]), ctypes.c_long(shape[1]), at, strides)

    @staticmethod
    def _apart(inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
        """A GPU computes the elements in any order: none may read or write what another one writes."""
        for k, out in enumerate(outputs):
            for other in (*inputs, *outputs[:k]):
                assert not np.shares_memory(out, other), "one element's output is another one's"
