"""CuPy without a GPU: NumPy's arithmetic behind CuPy's interface, as strict as CuPy is.

What CuPy refuses is refused: its arrays are no NumPy arrays, are never made into one unasked, and mix with none. What
is missing here CuPy may well have, but nothing uses it; ``test_cupy_source`` holds what is here to the names of an
installed CuPy. All that a GPU would have to do is counted: see ``Counts``. The rules are those of CuPy 14
(``cupy/_core/_kernel.pyx``, ``_routines_linalg.pyx``, ``_routines_indexing.pyx``).
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.backends.plain_kernel import PlainKernel
from tests.backends.strict_array import Counts, ndarray

#: The pool hands out multiples of this.
BLOCK = 512


UFUNCS = (
    "add", "subtract", "multiply", "divide", "power", "negative", "bitwise_and", "bitwise_or", "less", "less_equal",
    "greater", "greater_equal", "equal", "not_equal", "tanh", "exp", "log", "logaddexp", "sqrt", "minimum", "maximum",
)  # fmt: skip


class Cupy(ModuleType):
    """The module."""

    def __init__(self, folder: Path, devices: int = 1) -> None:
        """``folder``: for compiled kernels."""
        super().__init__("cupy")
        self.__spec__ = ModuleSpec("cupy", None)
        self.__version__ = "0"
        self.counts, self.folder = Counts(), folder
        self.used = self.total = 0
        self.ndarray = ndarray
        self.compute_type = 7  # COMPUTE_TYPE_TF32, as CUPY_TF32=1 has it
        for name in UFUNCS:
            setattr(self, name, self._ufunc(getattr(np, name)))
        runtime = SimpleNamespace(
            getDeviceCount=lambda: devices,
            getDeviceProperties=lambda device: {"name": b"a GPU that is not there"},
            runtimeGetVersion=lambda: 0,
            CUDARuntimeError=type("CUDARuntimeError", (RuntimeError,), {}),
        )
        stream = SimpleNamespace(synchronize=self._wait)
        self.cuda = SimpleNamespace(
            Event=Event, get_elapsed_time=Event.elapsed, get_current_stream=lambda: stream, runtime=runtime
        )
        self._core = SimpleNamespace(
            get_compute_type=lambda dtype: self.compute_type, set_compute_type=self._set_compute_type
        )

    def _wait(self) -> None:
        self.counts.waits += 1

    def _set_compute_type(self, dtype: Any, compute_type: int) -> None:
        assert dtype == "float32"
        self.compute_type = compute_type

    def _fresh(self, value: Any, launches: int = 1) -> ndarray:
        """A new array of the pool's."""
        value = np.array(value, order="K", ndmin=0)
        self.counts.launches += launches
        self.counts.allocations += 1
        size = -(-value.nbytes // BLOCK) * BLOCK
        self.used += size
        self.total = max(self.total, self.used)
        weakref.finalize(value, self._free, size)  # views keep it as their base
        return ndarray(self, value)

    def _free(self, size: int) -> None:
        self.used -= size

    def get_default_memory_pool(self) -> Any:
        def free_all_blocks() -> None:
            self.total = self.used

        return SimpleNamespace(
            used_bytes=lambda: self.used, total_bytes=lambda: self.total, free_all_blocks=free_all_blocks
        )

    # -- element by element ----------------------------------------------------------------------

    @staticmethod
    def _operand(value: Any) -> Any:
        if isinstance(value, ndarray):
            return value._value
        if isinstance(value, bool | int | float | np.generic):
            return value
        raise TypeError(f"Unsupported type {type(value)}")

    def _ufunc(self, function: np.ufunc) -> Callable[..., ndarray]:
        def call(*args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> ndarray:
            inputs, out = args[: function.nin], args[function.nin] if len(args) > function.nin else out
            values = [self._operand(each) for each in inputs]
            if out is None:
                return self._fresh(function(*values, dtype=dtype, casting=casting))
            self._hidden_copies(self._overlapping(inputs, self._checked_out(out)))
            self.counts.launches += 1
            function(*values, out=out._value, dtype=dtype, casting=casting)
            return out

        return call

    @staticmethod
    def _checked_out(out: Any) -> ndarray:
        if not isinstance(out, ndarray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        return out

    @staticmethod
    def _overlapping(inputs: Sequence[Any], out: ndarray) -> int:
        """Inputs that lie between the output's first and last byte, and are not the very same object."""
        arrays = [each for each in inputs if isinstance(each, ndarray) and each is not out]
        return sum(np.may_share_memory(each._value, out._value) for each in arrays)

    def _hidden_copies(self, count: int) -> None:
        self.counts.copies += count
        self.counts.launches += count
        self.counts.allocations += count

    def where(self, condition: ndarray, x: Any, y: Any) -> ndarray:
        return self._fresh(np.where(condition._value, self._operand(x), self._operand(y)))

    def ElementwiseKernel(  # noqa: N802 - CuPy's name
        self, in_params: str, out_params: str, operation: str, name: str = "kernel", preamble: str = "",
        no_return: bool = False,
    ) -> Callable[..., None]:  # fmt: skip
        assert no_return, "the only kind in use"
        run = PlainKernel(self.folder, in_params, out_params, operation, name, preamble)

        def launch(*arrays: ndarray) -> None:
            for each in arrays:
                if not isinstance(each, ndarray):
                    raise TypeError(f"Unsupported type {type(each)}")
            self.counts.launches += 1
            run(*(each._value for each in arrays))

        return launch

    # -- many elements to one --------------------------------------------------------------------

    def _reduced(self, function: Callable[..., Any], a: ndarray, out: ndarray | None, **how: Any) -> ndarray:
        if out is None:
            return self._fresh(function(a._value, **how))
        self.counts.launches += 1
        self._checked_out(out)._value[...] = function(a._value, **how)
        return out

    def sum(self, a: ndarray, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return a.sum(axis, dtype, out, keepdims)

    def mean(self, a: ndarray, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return a.mean(axis, dtype, out, keepdims)

    def dot(self, a: ndarray, b: ndarray, out: ndarray | None = None) -> ndarray:
        if out is not None and out.dtype != np.result_type(a.dtype, b.dtype):
            raise ValueError("Not supported dtype combination.")
        if out is not None and not out.flags.c_contiguous:
            raise ValueError("Output array must be C-contiguous")
        for each in (a, b):
            if not isinstance(each, ndarray):
                raise TypeError(f"Argument has incorrect type: {type(each)}")
        self._hidden_copies(0 if out is None else self._overlapping((a, b), out))
        value = np.dot(a._value, b._value)
        if value.size == 1:
            self.counts.launches += 2  # multiplied, then summed up
            self.counts.allocations += 1
        else:
            readable = [each.flags.c_contiguous or each.flags.f_contiguous for each in (a, b)]
            self._hidden_copies(readable.count(False) + (a.dtype != b.dtype))
            self.counts.products += 1
        if out is None:
            return self._fresh(value, launches=0)
        out._value[...] = value.reshape(out.shape)
        return out

    def matmul(self, a: ndarray, b: ndarray, out: ndarray | None = None) -> ndarray:
        for each in (a, b):
            if not isinstance(each, ndarray):
                raise TypeError(f"Unsupported type {type(each)}")
        if max(a.ndim, b.ndim) <= 2:
            if out is None or (out.flags.c_contiguous and out.dtype == np.result_type(a.dtype, b.dtype)):
                return self.dot(a, b, out)
            self._hidden_copies(1)
            out[...] = self.dot(a, b)
            return out
        assert out is None, "not in use"
        self._hidden_copies(sum(not each.flags.c_contiguous for each in (a, b)))
        if a.shape[:-2] != b.shape[:-2]:
            self.counts.launches += 3  # matrices are then handed over by their addresses
            self.counts.allocations += 3
        self.counts.products += 1
        return self._fresh(np.matmul(a._value, b._value), launches=0)

    # -- made, moved and joined ------------------------------------------------------------------

    def asarray(self, a: Any, dtype: Any = None) -> ndarray:
        if isinstance(a, ndarray):
            return a if dtype is None else a.astype(dtype, copy=False)
        self.counts.transfers += 1
        return self._fresh(np.array(a, dtype), launches=0)

    def ascontiguousarray(self, a: ndarray, dtype: Any = None) -> ndarray:
        if a.flags.c_contiguous and dtype in (None, a.dtype):
            return a
        return self._fresh(np.array(a._value, dtype, order="C"))

    def empty(self, shape: Any, dtype: Any = float) -> ndarray:
        return self._fresh(np.full(shape, np.nan, dtype), launches=0)

    def zeros(self, shape: Any, dtype: Any = float) -> ndarray:
        return self._fresh(np.zeros(shape, dtype))

    def ones(self, shape: Any, dtype: Any = float) -> ndarray:
        return self._fresh(np.ones(shape, dtype))

    def full(self, shape: Any, fill_value: Any, dtype: Any = None) -> ndarray:
        return self._fresh(np.full(shape, self._operand(fill_value), dtype))

    def zeros_like(self, a: ndarray) -> ndarray:
        return self._fresh(np.zeros_like(a._value))

    def empty_like(self, prototype: ndarray) -> ndarray:
        return self._fresh(np.zeros_like(prototype._value), launches=0)

    def eye(self, N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> ndarray:
        return self._fresh(np.eye(N, M, k, dtype), launches=2)

    def arange(self, start: int, stop: int | None = None, step: int = 1, dtype: Any = None) -> ndarray:
        return self._fresh(np.arange(start, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype))

    def copyto(self, dst: ndarray, src: ndarray) -> None:
        dst[...] = src

    def stack(self, tup: Sequence[ndarray], axis: int = 0) -> ndarray:
        return self._fresh(np.stack([each._value for each in tup], axis))

    def concatenate(self, tup: Sequence[ndarray], axis: int = 0) -> ndarray:
        return self._fresh(np.concatenate([each._value for each in tup], axis))

    def broadcast_to(self, array: ndarray, shape: Any) -> ndarray:
        return ndarray(self, np.broadcast_to(array._value, shape))

    def take_along_axis(self, a: ndarray, indices: ndarray, axis: int) -> ndarray:
        return self._fresh(np.take_along_axis(a._value, indices._value, axis), launches=a.ndim + 2)

    def pad(self, array: ndarray, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> ndarray:
        return self._fresh(np.pad(array._value, pad_width, mode, constant_values=constant_values), launches=3)


class Event:
    """Its time is the host's."""

    def record(self, stream: Any = None) -> None:
        self.at_s = time.perf_counter()

    @staticmethod
    def elapsed(start_event: Event, end_event: Event) -> float:
        return 1e3 * (end_event.at_s - start_event.at_s)
