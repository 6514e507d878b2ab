"""Writing IDX, for the tests of its reader and of the MNIST files."""

from __future__ import annotations

import struct

import numpy as np

from tasks import idx


def encoded(array: np.ndarray) -> bytes:
    code = next(code for code, name in idx.TYPES.items() if np.dtype(name) == array.dtype)
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
