"""What is kept is what was given: split, scaled, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.datasets import keeping
from harness.datasets.splitting import Rule
from harness.errors import UsageError
from tasks import datasets
from tasks.base import SPLITS, Split, within
from tests.fixtures.own_data import arrays, kept, sequences


@pytest.fixture(autouse=True)
def _folder(own_data: Path) -> None:
    """Each test has a folder of its own."""


def rows_of(split: Split, stored: datasets.DataSet, x: np.ndarray) -> list[int]:
    """Which rows of x a split has, by the first value of each."""
    where = {float(value): row for row, value in enumerate(x[:, 0, 0])}
    return [where[float(value)] for value in stored.arrays(split)[0][:, 0, 0]]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(4, 60), steps=st.integers(1, 5), features=st.integers(1, 4), seed=st.integers(0, 9),
    by_time=st.booleans(), variable=st.booleans(),
    kind=st.sampled_from(["f2", "f4", "f8", "u1", "i2"]), fortran=st.booleans(),
)  # fmt: skip
def test_each_sequence_is_in_one_split_with_its_own_target(
    count: int, steps: int, features: int, seed: int, by_time: bool, variable: bool, kind: str, fortran: bool
) -> None:
    rng = np.random.default_rng(seed)
    x = (100 * rng.standard_normal((count, steps, features))).astype(kind)
    x[:, 0, 0] = np.arange(count)
    given_arrays = {"x": np.asfortranarray(x) if fortran else x, "y": np.arange(count) + 0.5}
    if variable:
        given_arrays["lengths"] = rng.integers(1, steps + 1, count)
    name = f"mine-{len(datasets.names())}"
    stored = kept(name, {"rule": Rule(seed=seed, by_time=by_time)}, **given_arrays)
    rows = {split: rows_of(split, stored, x) for split in SPLITS}
    together = list(chain.from_iterable(rows.values()))
    assert sorted(together) == list(range(count))
    assert {split: len(own) for split, own in rows.items()} == stored.splits
    assert all(len(own) for own in rows.values())
    if by_time:
        assert together == list(range(count))
    for split, own in rows.items():
        kept_x, kept_y, kept_lengths = stored.arrays(split)
        expected = x[own].astype(np.float32)
        if variable:
            np.testing.assert_array_equal(kept_lengths, given_arrays["lengths"][own])
            expected[~within(given_arrays["lengths"][own], steps)] = 0
        np.testing.assert_array_equal(kept_x, expected)
        np.testing.assert_array_equal(kept_y[:, 0], np.float32(own) + 0.5)


def test_equal_contents_have_one_digest_and_others_another() -> None:
    first = kept("one", **arrays())
    assert kept("two", **arrays()).sha256 == first.sha256
    digests = {
        first.sha256,
        kept("seed", {"rule": Rule(seed=1)}, **arrays()).sha256,
        kept("scaled", {"standardise": True}, **arrays()).sha256,
        kept("classes", **arrays("class")).sha256,
        kept("lengths", **arrays(variable=True)).sha256,
        kept("as-numbers", {"regression": True}, **arrays("class")).sha256,
    }
    assert len(digests) == 6
    with keeping.locked() as place:
        assert keeping.remove("one", place) == first
        assert datasets.named("two") == first
        assert keeping.remove("two", place) == first
        assert keeping.remove("two", place) is None
    assert not (place / "sets" / first.sha256).exists()


@pytest.mark.parametrize("variable", [False, True])
def test_statistics_are_those_of_the_training_split_alone(variable: bool) -> None:
    given_arrays = arrays("number-per-step", variable)
    given_arrays["x"] = given_arrays["x"] * np.float32([3, 1, 0]) + np.float32([1e3, -5, 7])
    plain = kept("plain", **given_arrays)
    scaled = kept("scaled", {"standardise": True}, **given_arrays)
    x, y, lengths = plain.arrays("train")
    inside = np.ones(x.shape[:2], bool) if lengths is None else within(lengths, x.shape[1])
    assert scaled.standardised is not None
    np.testing.assert_allclose(scaled.standardised["x_mean"], x[inside].mean(axis=0, dtype=float), rtol=1e-6)
    np.testing.assert_allclose(scaled.standardised["x_std"][:2], x[inside].std(axis=0, dtype=float)[:2], rtol=1e-5)
    assert scaled.standardised["x_std"][2] == 1, "a constant feature is not divided"
    np.testing.assert_allclose(scaled.standardised["y_std"], y[inside].std(axis=0, dtype=float), rtol=1e-5)
    for split in SPLITS:
        z, _, lengths = scaled.arrays(split)
        inside = np.ones(z.shape[:2], bool) if lengths is None else within(lengths, z.shape[1])
        expected = (plain.arrays(split)[0][inside] - scaled.standardised["x_mean"]) / scaled.standardised["x_std"]
        np.testing.assert_allclose(z[inside], expected, atol=1e-4)
        assert not z[~inside].any(), "padding stays zero"


def test_padding_may_be_anything() -> None:
    given_arrays = arrays("number-per-step", variable=True)
    plain = kept("plain", **given_arrays)
    outside = ~within(given_arrays["lengths"], 6)
    for role in ("x", "y"):
        given_arrays[role] = given_arrays[role].copy()
        given_arrays[role][outside] = np.nan
    assert kept("padded", **given_arrays).sha256 == plain.sha256


def test_what_fails_on_the_way_leaves_nothing(own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeping, "_write_name", full)
    with pytest.raises(UsageError, match="cannot be written: No space left on device"):
        kept("mine", **arrays())
    monkeypatch.undo()
    assert datasets.names() == {}
    assert not list(own_data.glob(".*"))


def test_what_a_killed_writer_left_is_deleted(own_data: Path) -> None:
    kept("mine", **arrays())
    (own_data / ".unfinished-of-another").mkdir()
    (own_data / ".unfinished-of-another" / "train-x.npy").write_bytes(b"half")
    kept("other", **arrays("class"))
    assert sorted(path.name for path in own_data.iterdir()) == ["lock", "names", "sets"]


LARGE = """
import sys
from itertools import chain
from pathlib import Path
import numpy as np
from harness.datasets import checks, keeping, sources
from harness.machine import process

folder = Path(sys.argv[1])
shape = (2**14, 64, 64)  # 256 MiB, of which the file system keeps the header alone
with (folder / "x.npy").open("wb") as file:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    file.truncate(file.tell() + 4 * int(np.prod(shape)))
np.save(folder / "y.npy", np.arange(shape[0]) % 7)
process.reset_peak()
before = process.peak_resident_bytes()
main, test = checks.parts({role: sources.npy(folder / f"{role}.npy", role) for role in ("x", "y")})
with keeping.locked() as place:
    keeping.keep(keeping.Wish("large"), main, test, place, lambda line: None)
print(process.peak_resident_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks of memory are the kernel's")
def test_adding_a_large_array_takes_the_memory_of_some_blocks(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LARGE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 128 * 2**20


def test_a_sequence_for_testing_is_never_trained_on() -> None:
    x = sequences(30)
    stored = kept("mine", x=x[:20], y=x[:20, 0, 0], x_test=x[20:], y_test=x[20:, 0, 0])
    assert rows_of("test", stored, x) == list(range(20, 30))
    assert stored.splits == {"train": 18, "validation": 2, "test": 10}
    assert stored.split_by == "by seed 0: 90 % / 10 %, test as given"
