"""Data sets as they are kept: found by name and by digest, checked when they are read, never read whole if large."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks import datasets, own
from tasks.base import DataUnavailable, TaskError
from tasks.datasets import MissingData
from tests.fixtures.own_data import arrays, kept


@pytest.fixture(autouse=True)
def _folder(own_data: Path) -> None:
    """Each test has a folder of its own."""


def test_a_name_stands_for_a_digest() -> None:
    assert datasets.names() == {}
    stored = kept("mine", **arrays())
    assert datasets.names() == {"mine": stored.sha256}
    assert datasets.named("mine") == stored == datasets.find("mine", stored.short) == datasets.find("x", stored.sha256)
    with pytest.raises(LookupError, match="no data set 'other'"):
        datasets.named("other")


def test_a_digest_that_is_not_here_says_how_to_add_the_data() -> None:
    with pytest.raises(
        MissingData, match=r"'mine' of SHA-256 0123456789abcdef is missing; .* again: harness data add mine"
    ):
        datasets.find("mine", "0123456789abcdef")
    stored = kept("mine", **arrays())
    with pytest.raises(MissingData, match="under another name than mine, which is other data here") as caught:
        datasets.find("mine", "0123456789abcdef")
    assert caught.value.here == stored.sha256


@pytest.mark.parametrize("odd", ["", "0" * 15, "*" * 16, "../" * 6, "0" * 65, "0123456789abcdeF", "0123456789abcde\n"])
def test_what_is_no_digest_looks_nowhere(odd: str) -> None:
    kept("mine", **arrays())
    with pytest.raises(TaskError, match="mine: data must be a SHA-256"):
        datasets.find("mine", odd)


@pytest.mark.parametrize("damage", ["name", "description", "digest", "field"])
def test_what_is_damaged_is_no_data_set(own_data: Path, damage: str) -> None:
    stored = kept("mine", **arrays())
    about = own_data / "sets" / stored.sha256 / datasets.DESCRIPTION
    content = json.loads(about.read_text())
    if damage == "name":
        (own_data / "names" / "mine").write_text("../../somewhere")
    elif damage == "description":
        about.write_text("{")
    elif damage == "digest":
        about.write_text(json.dumps(content | {"outputs": 7}))
    else:
        del content["files"]
        about.write_text(json.dumps(content))
    assert datasets.names() == {}
    assert own.names() == []


@pytest.mark.parametrize("change", ["bytes", "type", "missing", "pickle", "empty"])
def test_arrays_that_are_not_as_they_were_written_are_refused(own_data: Path, change: str) -> None:
    stored = kept("mine", **arrays())
    path = own_data / "sets" / stored.sha256 / "train-x.npy"
    array = np.load(path)
    if change == "bytes":
        np.save(path, array + 1)
    elif change == "type":
        np.save(path, array.astype(float))
    elif change == "missing":
        path.unlink()
    elif change == "empty":
        path.write_bytes(b"")
    else:
        np.save(path, np.array([None], dtype=object), allow_pickle=True)
    with pytest.raises(DataUnavailable, match=f"train-x of data set {stored.short}") as caught:
        stored.arrays("train")
    assert str(own_data) not in str(caught.value), "records keep it"


LARGE = """
import json, os, sys
from pathlib import Path
import numpy as np
import tasks
from harness.machine import process
from tasks import datasets
from tests.fixtures.own_data import arrays, kept

# a data set of 4 GiB, of which the file system keeps the header alone
stored = kept("large", **arrays())
folder = Path(os.environ["HARNESS_DATASETS"])
place = folder / "sets" / stored.sha256
shape = (2**16, 128, 128)
content = json.loads((place / "set.json").read_text())
for what, size in (("x", shape), ("y", (shape[0], 1))):
    with (place / f"train-{what}.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": size})
        file.truncate(file.tell() + 4 * int(np.prod(size)))
    content["files"][f"train-{what}"]["shape"] = list(size)
content |= {"length": 128, "inputs": 128, "splits": {**content["splits"], "train": shape[0]}}
content["sha256"] = datasets.DataSet.digest_of(content)
(place / "set.json").write_text(json.dumps(content))
place.rename(folder / "sets" / content["sha256"])
(folder / "names" / "large").write_text(content["sha256"])

process.reset_peak()
before = process.peak_resident_bytes()
task = tasks.load("large", seed=3)
for index in (0, 1, 1500):
    batch = task.batch("train", index, 64)
    assert batch.x.shape == (64, 128, 128)
    assert type(batch.x) is np.ndarray
print(process.peak_resident_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are the kernel's")
def test_a_batch_of_a_large_data_set_reads_its_rows_alone() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 128 * 2**20
