"""The library of our own kernels: compiled once, kept for this processor, and missed with one clear line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.base import Unsupported
from backends.numpy import native_library

pytestmark = pytest.mark.skipif(native_library.compiler() is None, reason=str(native_library.why_no_compiler()))


@pytest.fixture(autouse=True)
def _loaded_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(native_library, "FLAGS", ("-O0",))  # compiled in a fraction of the time
    native_library.library.cache_clear()
    yield
    native_library.library.cache_clear()


def test_it_is_compiled_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_KERNELS", str(tmp_path / "kernels"))
    assert native_library.library().lanes() in (4, 8, 16)
    (kept,) = (tmp_path / "kernels").iterdir()
    made = kept.stat().st_mtime_ns
    native_library.library.cache_clear()
    native_library.library()
    assert [each.stat().st_mtime_ns for each in (tmp_path / "kernels").iterdir()] == [made]


def test_another_source_gets_another_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_KERNELS", str(tmp_path))
    other = tmp_path / "other.c"
    other.write_text(native_library.SOURCE.read_text().replace("return LANES;", "return 7;"))
    native_library.library()
    native_library.library.cache_clear()
    monkeypatch.setattr(native_library, "SOURCE", other)
    assert native_library.library().lanes() == 7
    assert len(list(tmp_path.glob("*.so"))) == 2


@pytest.mark.parametrize("named", ["", "a-file"])
def test_without_a_folder_to_keep_it_in_it_is_compiled_all_the_same(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("HARNESS_KERNELS", named and str(tmp_path / named))
    assert native_library.library().lanes() in (4, 8, 16)
    assert [each.name for each in tmp_path.iterdir()] == ["a-file"]


def test_without_a_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert str(native_library.why_no_compiler()).endswith("install gcc")
    with pytest.raises(Unsupported, match="install gcc"):
        native_library.library()


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "gcc"
    broken.write_text("#!/bin/sh\necho 'no such processor' >&2\necho more >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Unsupported, match=r"gcc does not compile the kernels: no such processor$"):
        native_library.library()
