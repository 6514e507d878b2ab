"""Saved parameters: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from backends.job import ModelSpec
from backends.parameters import shapes
from harness.errors import UsageError
from harness.records import saved as module
from harness.records.saved import LARGEST_SAVED_BYTES, apart, by_digest, named, read, write
from harness.records.store import Store, StoreError, read_record
from tests.fixtures.saved import MODELS, drawn, saved
from tests.harness.conftest import made_record

MODEL = ModelSpec("gru", 3, 5, 2, "last", layers=2)
posix = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs")


def altered(file: Path, change: Callable[[dict[str, str], dict[str, np.ndarray]], None]) -> Path:  # type: ignore[type-arg]
    """The file with its metadata and arrays changed, in place of it; its record is gone."""
    content = file.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    about, arrays = json.loads(content[8 : 8 + size])["__metadata__"], load(content)
    change(about, arrays)
    file.write_bytes(save(arrays, metadata=about))
    file.with_suffix(".json").unlink()
    return file


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_is_read_again_bit_by_bit(tmp_path: Path, name: str, dtype: str) -> None:
    file = saved(tmp_path, MODELS[name], dtype)
    found, record = read(file), read_record(file.with_suffix(".json"))
    assert (found.model, found.spec, found.record) == (MODELS[name], record.spec, record.id)
    assert list(found.parameters) == list(shapes(MODELS[name]))
    for name_, array in drawn(MODELS[name], dtype).items():
        assert found.parameters[name_].dtype == dtype
        assert found.parameters[name_].tobytes() == array.tobytes()
    assert record.saved is not None
    assert record.saved.parameters == found.sha256
    assert read(file.with_suffix(".json")).sha256 == found.sha256


def test_the_same_parameters_can_be_read_without_this_project(tmp_path: Path) -> None:
    content = saved(tmp_path, MODEL).read_bytes()
    assert set(load(content)) == set(shapes(MODEL))
    predictions = np.load(next(tmp_path.glob("*.predictions.npz")), allow_pickle=False)
    assert predictions.files == ["predictions"]


def test_parameters_are_named_by_file_record_or_digest(tmp_path: Path) -> None:
    file = saved(tmp_path, MODEL)
    saved(tmp_path, MODELS["rnn-one-last"], number=1)
    digest = read(file).sha256
    for word in (str(file), str(file.with_suffix(".json")), digest):
        assert named(word, tmp_path).path == file
    assert by_digest("0" * 64, tmp_path) is None
    with pytest.raises(UsageError, match=r"no file in .* has the saved parameters with SHA-256 000000000000…"):
        named("0" * 64, tmp_path)


def test_a_file_that_is_not_one_is_named_in_one_line(tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    for content in (b"", b"not a model", b"\xff" * 64, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 2) + b"{}rest",
                    struct.pack("<Q", len(header)) + header, struct.pack("<Q", 9) + b'{"x": 1 }',
                    struct.pack("<Q", 100_000) + b"[" * 100_000):  # fmt: skip
        (tmp_path / "file.safetensors").write_bytes(content)
        with pytest.raises(UsageError, match=r"file\.safetensors: not a safetensors file$"):
            read(tmp_path / "file.safetensors")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs.safetensors").write_bytes(save({"rnn.weight": np.zeros((2, 2), np.float32)}))
    with pytest.raises(UsageError, match="not saved by harness run --save: no spec"):
        read(tmp_path / "theirs.safetensors")
    (tmp_path / "half.safetensors").write_bytes(save({"l0.W_ih": np.zeros((2, 2), np.float16)}))
    with pytest.raises(UsageError, match="neither float32 nor float64"):
        read(tmp_path / "half.safetensors")


@pytest.mark.parametrize(
    "claimed",
    [{"layers": 10**9}, {"hidden": 6}, {"cell": "lstm"}, {"cell": "transformer"}, {"hidden": "many"}],
)
def test_a_model_that_the_arrays_are_not_of_is_refused(tmp_path: Path, claimed: dict[str, object]) -> None:
    def claim(about: dict[str, str], arrays: object) -> None:
        about["model"] = json.dumps({**json.loads(about["model"]), **claimed})

    with pytest.raises(UsageError, match="no spec of its parameters"):
        read(altered(saved(tmp_path, MODEL), claim))


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    def spoil(about: object, arrays: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
        arrays["l1.W_hh"] = np.full_like(arrays["l1.W_hh"], np.nan)

    with pytest.raises(UsageError, match=r"l1\.W_hh has values that are no finite numbers"):
        read(altered(saved(tmp_path, MODEL), spoil))


def test_a_file_that_is_not_its_records_is_altered(tmp_path: Path) -> None:
    file = saved(tmp_path, MODEL)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    for path in (file, file.with_suffix(".json")):
        with pytest.raises(UsageError, match="altered since it was saved"):
            read(path)


def test_a_record_with_nothing_saved_and_one_whose_file_is_gone_say_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was saved with it; harness run --save does that"):
        read(Store(tmp_path).write(made_record()))
    file = saved(tmp_path, MODEL, number=1)
    file.unlink()
    with pytest.raises(UsageError, match="missing; its record names saved parameters"):
        read(file.with_suffix(".json"))
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "nowhere.safetensors")


@posix
def test_what_is_no_regular_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(UsageError, match="not a regular file"):
        read(tmp_path / "pipe.safetensors")
    with pytest.raises(UsageError, match="not a regular file"):
        read(tmp_path)
    with (tmp_path / "huge.safetensors").open("wb") as sparse:
        sparse.truncate(LARGEST_SAVED_BYTES + 1)
    with pytest.raises(UsageError, match=r"larger than any saved parameters \(4,096 MiB\), not read"):
        read(tmp_path / "huge.safetensors")
    assert by_digest("0" * 64, tmp_path) is None


def test_both_files_are_written_or_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, arrays = made_record(), {**drawn(MODEL), "predictions": np.zeros((4, 2), np.float32)}
    (tmp_path / f"{record.id}.predictions.npz").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*predictions\.npz: Is a directory"):
        write(tmp_path, record, MODEL, arrays)
    assert [path.name for path in tmp_path.iterdir()] == [f"{record.id}.predictions.npz"]
    monkeypatch.setattr(module, "LARGEST_SAVED_BYTES", 100)
    with pytest.raises(StoreError, match="larger than is read"):
        write(tmp_path, record, MODEL, arrays)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    assert apart(MODEL, MODEL) is None
    assert apart(MODEL, replace(MODEL, readout="every")) is None, "the same parameters serve either readout"
    other = replace(MODEL, hidden=6, cell="lstm")
    assert apart(MODEL, other) == "cell is gru there and lstm here; hidden is 5 there and 6 here"
