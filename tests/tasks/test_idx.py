"""The reader of IDX files: what it reads, and what it refuses."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import idx
from tests.tasks.idx_bytes import encoded


@given(st.sampled_from(sorted(idx.TYPES.values())), st.lists(st.integers(0, 4), max_size=4))
def test_an_array_survives_being_written_as_idx(dtype: str, shape: list[int]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    parsed = idx.parse(encoded(array))
    assert parsed.dtype == array.dtype
    np.testing.assert_array_equal(parsed, array)


@given(st.binary(max_size=40))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with contextlib.suppress(idx.IdxError):
        idx.parse(data)


@pytest.mark.parametrize("change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\1" + d[1:], lambda d: d[:6]])
def test_one_byte_too_few_or_too_many_is_refused(change) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(idx.IdxError):
        idx.parse(change(encoded(np.zeros((2, 3), np.uint8))))


def test_contents_are_decompressed_whatever_the_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(b"as it is")
    (tmp_path / "packed").write_bytes(gzip.compress(b"as it is"))
    assert idx.contents(tmp_path / "plain.gz") == idx.contents(tmp_path / "packed") == b"as it is"


def test_an_array_read_is_read_only() -> None:
    assert not idx.parse(encoded(np.zeros(3, np.uint8))).flags.writeable
