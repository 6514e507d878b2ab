"""CuPy without a GPU: NumPy's arithmetic behind CuPy's interface, as strict as CuPy is.

What CuPy refuses is refused: its arrays are no NumPy arrays, are never made into one unasked, and mix with none. What
is missing here CuPy may well have, but nothing uses it; ``test_cupy_source`` holds what is here to the names of an
installed CuPy. All that a GPU would have to do is counted: see ``Counts``. The rules are those of CuPy 14
(``cupy/_core/_kernel.pyx``, ``_routines_linalg.pyx``, ``_routines_indexing.pyx``).
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.backends.plain_kernel import PlainKernel

#: The pool hands out multiples of this.
BLOCK = 512


@dataclass
class Counts:
    """What was done so far.

    Attributes:
        launches: kernels that CuPy starts for element-wise work, reductions and copies, the hidden ones included.
        products: calls of cuBLAS.
        copies: hidden ones, of an input that lies where the output does, or that cuBLAS cannot read as it is.
        allocations: of the memory pool.
        transfers: between host and device.
        waits: of the host for the device.
    """

    launches: int = 0
    products: int = 0
    copies: int = 0
    allocations: int = 0
    transfers: int = 0
    waits: int = 0


class ndarray:  # noqa: N801 - CuPy's name
    """No ``numpy.ndarray``: holds one."""

    __array_ufunc__ = None  # NumPy's operators leave the work to these here

    def __init__(self, xp: Cupy, value: np.ndarray) -> None:
        self._xp, self._value = xp, value

    shape = property(lambda self: self._value.shape)
    dtype = property(lambda self: self._value.dtype)
    ndim = property(lambda self: self._value.ndim)
    size = property(lambda self: self._value.size)
    itemsize = property(lambda self: self._value.itemsize)
    flags = property(lambda self: self._value.flags)
    T = property(lambda self: ndarray(self._xp, self._value.T))

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> ndarray:
        index, arrays = self._index(index)
        if not arrays:
            return ndarray(self._xp, self._value[index])
        self._xp.counts.launches += (
            1 if len(arrays) == 1 else len(arrays) + 2
        )  # they are made into one, which is filled
        return self._xp._fresh(self._value[index], launches=0)

    def __setitem__(self, index: Any, value: Any) -> None:
        index, arrays = self._index(index)
        value = self._xp._operand(value)
        if not arrays and isinstance(value, np.ndarray):
            view = self._value[index]
            same = view.ctypes.data == value.ctypes.data and view.strides == value.strides
            if same and view.shape == value.shape:
                return  # CuPy too sees that ``a[...] += b`` has been done
        self._xp.counts.launches += 1 if len(arrays) <= 1 else len(arrays) + 2
        self._value[index] = value

    def _index(self, index: Any) -> tuple[tuple[Any, ...], list[ndarray]]:
        """For NumPy, so that a view comes of every one without arrays; and the arrays in it."""
        parts = index if isinstance(index, tuple) else (index,)
        arrays = [part for part in parts if isinstance(part, ndarray)]
        for part in parts:
            if not isinstance(part, int | slice | ndarray | type(None) | type(...)):
                raise TypeError(f"an index on the host costs a transfer: {type(part)}")
        self._xp.counts.waits += sum(array.dtype == bool for array in arrays)  # how many are true decides the shape
        plain = tuple(part._value if isinstance(part, ndarray) else part for part in parts)
        return (plain if any(part is ... for part in parts) else (*plain, ...)), arrays

    def _to_host(self) -> np.ndarray:
        self._xp.counts.transfers += 1
        self._xp.counts.waits += 1
        return self._value.copy()

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        return self._to_host()

    def item(self) -> Any:
        return self._to_host().item()

    def __float__(self) -> float:
        return float(self._to_host())

    def __int__(self) -> int:
        return int(self._to_host())

    def __bool__(self) -> bool:
        return bool(self._to_host())

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> ndarray:
        return self if not copy and self.dtype == dtype else self._xp._fresh(self._value.astype(dtype))

    def copy(self, order: str = "C") -> ndarray:
        return self._xp._fresh(self._value.copy())

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        value = self._value.reshape(*shape)
        view = np.may_share_memory(value, self._value)
        return ndarray(self._xp, value) if view else self._xp._fresh(value)

    def swapaxes(self, axis1: int, axis2: int) -> ndarray:
        return ndarray(self._xp, self._value.swapaxes(axis1, axis2))

    def dot(self, b: ndarray, out: ndarray | None = None) -> ndarray:
        return self._xp.dot(self, b, out)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._xp._reduced(np.sum, self, out, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._xp._reduced(np.mean, self, out, axis=axis, dtype=dtype, keepdims=keepdims)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._xp._reduced(np.max, self, out, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> ndarray:
        return self._xp._reduced(np.any, self, out, axis=axis, keepdims=keepdims)

    def __matmul__(self, other: Any) -> ndarray:
        return self._xp.matmul(self, other)

    def __neg__(self) -> ndarray:
        return self._xp.negative(self)


def _give_operators() -> None:
    arithmetic = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power",
        "and": "bitwise_and", "or": "bitwise_or",
    }  # fmt: skip
    comparisons = {
        "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal"
    }  # fmt: skip
    for short, name in (arithmetic | comparisons).items():
        setattr(ndarray, f"__{short}__", lambda a, b, name=name: getattr(a._xp, name)(a, b))
    for short, name in arithmetic.items():
        setattr(ndarray, f"__r{short}__", lambda a, b, name=name: getattr(a._xp, name)(b, a))
        setattr(ndarray, f"__i{short}__", lambda a, b, name=name: getattr(a._xp, name)(a, b, a))


_give_operators()

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
