"""CuPy's arrays without a GPU: see ``strict_cupy``, which is the module that makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


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

    def __init__(self, xp: Any, value: np.ndarray) -> None:
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
