"""A strict reader of IDX, the file format of MNIST (LeCun, Cortes & Burges 1998)."""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from tasks.base import Array

#: Element types, big-endian, by the third byte of the magic number.
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"


class IdxError(ValueError):
    """Bytes that are not exactly one IDX array; the message says what is wrong."""


def contents(path: Path) -> bytes:
    """The file's bytes, decompressed if they are gzipped, whatever the file's name.

    Raises:
        IdxError: the gzip stream is cut short or corrupt.
        OSError: the file cannot be read.
    """
    data = path.read_bytes()
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise IdxError("the gzip stream is cut short or corrupt") from None


def parse(data: bytes) -> Array:
    """Read the one array in ``data``: two zero bytes, type, rank, sizes, then the elements. It is read-only.

    Raises:
        IdxError: not that format, or too few or too many bytes.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise IdxError(f"not an IDX file: it begins with {data[:8]!r}")
    dtype, rank = np.dtype(TYPES[data[2]]), data[3]
    start = 4 + 4 * rank
    if len(data) < start:
        raise IdxError(f"its header ends after {len(data)} of {start} bytes")
    shape = struct.unpack(f">{rank}I", data[4:start])
    promised = start + prod(shape) * dtype.itemsize
    if len(data) != promised:
        raise IdxError(f"it has {len(data)} bytes where its header promises {promised}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape)
