"""What a run is fed: checked before anything computes with it, and digested."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from backends.dropout import Dropout
from backends.job import ModelSpec
from harness.errors import Diverged, RunFailed
from harness.worker.data import DIGESTED, UNSCALED, Data
from tasks.adding import Adding
from tasks.base import Batch, Split


@dataclass(frozen=True, kw_only=True)
class Changed(Adding):
    """The adding problem with one number replaced: of x or y, at a place of a batch of a split."""

    what: str = field(default="x", metadata={"parameter": False})
    split: str = field(default="", metadata={"parameter": False})
    at: Any = field(default=None, metadata={"parameter": False})
    value: Any = field(default=0.0, metadata={"parameter": False})
    stated: Any = field(default=None, metadata={"parameter": False})

    def __post_init__(self) -> None:
        """Nothing to check: the fields are of this test."""

    def batch(self, split: Split, index: int, size: int) -> Batch:
        batch = super().batch(split, index, size).astype("float64")
        if split == self.split:
            getattr(batch, self.what)[self.at] = self.value
        return batch

    def data_digest(self) -> str | None:
        stated: str | None = self.stated
        return stated


@given(
    sequence=st.integers(0, 4),
    step=st.integers(0, 6),
    feature=st.integers(0, 1),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 1e300]),
)
def test_what_is_no_finite_number_is_told_with_its_place(sequence: int, step: int, feature: int, value: float) -> None:
    data = Data(Changed(length=7, split="train", at=(sequence, step, feature), value=value), "float32")
    with pytest.raises(RunFailed) as refused:
        data.draw(3, 5)
    assert f"in train batch 3 of 5 sequences, sequence {sequence}, step {step}, feature {feature} (" in str(
        refused.value
    )
    assert f"has {value:g}" in str(refused.value)
    assert ("too large for float32" in str(refused.value)) is (value == 1e300)
    assert not isinstance(refused.value, Diverged), "no hint is due"


def test_targets_and_held_out_splits_are_checked_too() -> None:
    data = Data(Changed(length=7, what="y", split="test", at=(11, 0), value=np.nan), "float32")
    data.held_out("validation")
    with pytest.raises(RunFailed, match="has nan: target in test split, sequence 11, output 0"):
        data.held_out("test")
    assert Data(Changed(length=7, split="train", at=(0, 0, 0), value=1e300), "float64").draw(0, 2).x.max() == 1e300


def test_classes_are_no_numbers_to_check() -> None:
    Data(tasks.load("copy", {"delay": 3}), "float32").train(0, 4)


@pytest.mark.parametrize(("value", "hinted"), [(UNSCALED, False), (-UNSCALED - 1, True)])
def test_a_failure_says_if_the_data_is_not_scaled(value: float, hinted: bool) -> None:
    data = Data(Changed(length=7, split="train", at=(0, 0, 0), value=value), "float32")
    data.draw(0, 2)
    with pytest.raises(Diverged) as told, data.explained():
        raise Diverged("it went wrong")
    assert str(told.value).startswith("it went wrong")
    assert ("inputs reach 101, above 100" in str(told.value)) is hinted
    with pytest.raises(RunFailed, match=r"^of other reasons$"), data.explained():
        raise RunFailed("of other reasons")


def digest(task: Adding, batches: int = 2) -> str:
    data = Data(task, "float32")
    data.held_out("test")
    for index in range(batches):
        data.train(index, 4)
    return data.digest()


def test_any_changed_number_changes_the_digest() -> None:
    plain = digest(Changed(length=7))
    assert plain == digest(Adding(length=7))
    others = [
        digest(Changed(length=7, what=what, split=split, at=at, value=0.25))
        for what, split, at in (("x", "train", (3, 6, 0)), ("x", "test", (1999, 6, 0)), ("y", "test", (0, 0)))
    ]
    assert len({plain, *others, digest(Adding(length=7), 3)}) == 5


def test_what_a_task_states_of_its_data_stands_for_all_of_it() -> None:
    assert digest(Changed(length=7, stated="a")) == digest(Changed(length=8, stated="a"))
    assert digest(Changed(length=7, stated="a")) != digest(Changed(length=7, stated="b"))


def test_a_run_that_may_end_early_digests_what_it_trains_on_in_any_case() -> None:
    short, long = (Data(Adding(length=7), "float32", updates=2) for _ in range(2))
    for data, updates in ((short, 2), (long, 3)):
        for index in range(updates):
            data.train(index, 5)
    assert short.digest() == long.digest()


def test_the_digest_takes_no_more_than_the_first_training_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.worker.data.DIGESTED", 1)
    assert digest(Adding(length=7), 1) == digest(Adding(length=7), 2)
    assert DIGESTED > 2**20


def test_what_is_dropped_is_no_part_of_the_data() -> None:
    """One digest with dropout and without, and the units of an update are the same in a block or alone."""
    task = Adding(length=7)
    drop = Dropout(0, ModelSpec("lstm", 2, 3, 1, "last", layers=2), rate=0.5, input_rate=0.5)
    plain, dropping = Data(task, "float32"), Data(task, "float32", drop)
    whole = [data.train(index, 5) for data in (plain, dropping) for index in range(2)]
    assert plain.digest() == dropping.digest()
    assert (whole[3].x == 0).sum() > (whole[1].x == 0).sum() + 20
    np.testing.assert_array_equal(whole[3].y, whole[1].y)
    for again in (Data(task, "float32", drop).train(1, 5), Data(task, "float32", drop).draw(1, 5)):
        np.testing.assert_array_equal(again.masks, whole[3].masks)
        np.testing.assert_allclose(again.x, whole[3].x, rtol=1e-6)
    assert dropping.held_out("test").masks is None
    np.testing.assert_array_equal(dropping.held_out("test").x, plain.held_out("test").x)
