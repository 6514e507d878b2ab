"""Arrays in files: NumPy's ``.npy``, and ``.npz`` with several of them. Nothing is ever unpickled, nor read whole."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UsageError

Array = NDArray[Any]
#: Bytes that are read at a time.
BLOCK = 8 * 2**20
#: What an ``.npz`` may hold, and what each array is.
ROLES = {
    "x": "x", "y": "y", "lengths": "lengths", "x_test": "x_test", "y_test": "y_test", "lengths_test": "lengths_test",
    "x_train": "x", "y_train": "y", "lengths_train": "lengths",
}  # fmt: skip
#: Kinds of NumPy types that are numbers: bool, integers and floats.
NUMBERS = "biuf"


@dataclass(frozen=True)
class Source:
    """An array whose rows are read as they are needed.

    Attributes:
        name: what the user calls it, for messages.
        held: the array itself where it is in memory, else the file that it is in.
    """

    name: str
    held: Array | Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    def rows(self, which: slice | Array) -> Array:
        """A copy of some rows. A file is mapped anew each time: pages of earlier rows do not stay in memory."""
        array = self.held if isinstance(self.held, np.ndarray) else _mapped(self.held, self.name)
        return np.array(array[which])

    def blocks(self) -> Iterator[slice]:
        """Slices that cover all rows, of about ``BLOCK`` bytes each, were they float64."""
        return blocks(len(self), self.shape[1:])


def blocks(rows: int, shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices that cover ``rows`` of this shape, of about ``BLOCK`` bytes each, were they float64."""
    size = max(1, BLOCK // max(1, 8 * int(np.prod(shape))))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def in_memory(name: str, array: Array) -> Source:
    """A source of an array that is in memory."""
    return Source(name, array, array.shape, array.dtype)


def check_regular(path: Path, name: str) -> None:
    """Raises UsageError for a folder, a pipe or a device, from which a command could read for ever."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{name}: {path.name} is no regular file")


def npy(path: Path, name: str) -> Source:
    """The array in an ``.npy`` file, of which only the header is read.

    Raises:
        UsageError: the file cannot be read, is no such file, or does not hold numbers.
    """
    check_regular(path, name)
    array = _mapped(path, name)
    _check_numbers(array, name)
    return Source(name, path, array.shape, array.dtype)


def held(array: Array, name: str) -> Source:
    """A user's array that is in memory. Raises UsageError where it does not hold numbers."""
    _check_numbers(array, name)
    return in_memory(name, array)


def _check_numbers(array: Array, name: str) -> None:
    if array.dtype.kind not in NUMBERS:
        raise UsageError(f"{name}: numbers are needed, not {_type(array.dtype)}")
    if not array.ndim:
        raise UsageError(f"{name}: an array of sequences is needed, not a single number")


def npz(path: Path, scratch: Path) -> dict[str, Source]:
    """The arrays in an ``.npz`` file by what each is (``x``, ``y``, ``x_test`` …), unpacked into ``scratch``.

    Raises:
        UsageError: the file cannot be read, is no such file, or does not hold these arrays.
    """
    check_regular(path, "file")
    found: dict[str, Source] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                found |= _unpacked(archive, member, path, scratch, found)
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise UsageError(f"{path.name}: cannot be read as .npz: {first_line(error)}") from None
    return found


def _unpacked(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, scratch: Path, found: Mapping[str, Source]
) -> dict[str, Source]:
    name = member.filename.removesuffix(".npy")
    role = ROLES.get(name)
    if role is None:
        raise UsageError(f"{path.name}: has an array {name[:40]!r}; known are {', '.join(ROLES)}")
    if role in found:
        raise UsageError(f"{path.name}: has {role} twice")
    unpacked = scratch / f"{role}.npy"
    with archive.open(member) as packed, unpacked.open("wb") as file:
        while block := packed.read(BLOCK):
            file.write(block)
    return {role: npy(unpacked, name)}


def _mapped(path: Path, name: str) -> Array:
    try:
        with path.open("rb") as file:
            if not file.read(6).startswith(b"\x93NUMPY"):
                raise UsageError(f"{name}: {path.name} is no .npy file; save numbers with numpy.save")
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{name}: cannot read {path.name}: {error.strerror or error}") from None
    except Exception as error:  # a header may hold anything
        if "object" in str(error).lower():
            why = "it holds Python objects, which are never unpickled; save numbers, as with array.astype('float32')"
            raise UsageError(f"{name}: {why}") from None
        if 0 in _shape_of(path):
            raise UsageError(f"{name}: the array is empty") from None
        raise UsageError(f"{name}: {path.name} is damaged: {first_line(error)}") from None
    return found


def _shape_of(path: Path) -> tuple[int, ...]:
    """What the header says; nothing where it cannot be read. An empty array cannot be mapped."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape: tuple[int, ...] = reader(file)[0]
            return shape
    except Exception:
        return ()


def _type(dtype: np.dtype[Any]) -> str:
    kinds = {"U": "text", "S": "text", "c": "complex numbers", "M": "dates", "m": "durations", "V": "records"}
    return kinds.get(dtype.kind, str(dtype))


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
