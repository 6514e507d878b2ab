"""The file of tuned choices: kinds of jobs, what is kept and forgotten, and files that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.job import Job, ModelSpec, OptimizerSpec
from harness.records import tuned
from harness.records.tuned import Kind, SizeClass, Tuned, rounded

MODEL = ModelSpec("lstm", inputs=10, hidden=50, outputs=1, readout="last")
JOB = Job(MODEL, "mse", OptimizerSpec(), batch=64, length=100, threads=2)


def choice(job: Job = JOB, variant: str = "parts", **changes: Any) -> Tuned:
    usual: dict[str, Any] = {
        "kind": Kind.here("numpy", job, "flush"), "variant": variant, "of": 6, "tied": False, "rule": "hoisted",
        "created": "2026-11-26T08:00:00Z", "measured": "A: lstm 50, 64×100×10", "code": "0" * 64,
    }  # fmt: skip
    return Tuned(**usual | changes)


@given(st.integers(1, 10**6))
def test_a_size_becomes_the_power_of_two_that_is_nearest_by_its_ratio(size: int) -> None:
    power = rounded(size)
    assert power & (power - 1) == 0
    assert max(power / size, size / power) <= 2**0.5


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"batch": 60}, True),
        ({"batch": 32}, False),
        ({"batch": 128, "accumulate": 2}, True),
        ({"length": 784}, False),
        ({"optimizer": OptimizerSpec("sgd")}, True),
        ({"chunk": 8}, True),
        ({"variable": True}, False),
        ({"threads": 1}, False),
        ({"precision": "float64"}, False),
        ({"deterministic": False}, False),
        ({"model": replace(MODEL, hidden=60)}, True),
        ({"model": replace(MODEL, hidden=128)}, False),
        ({"model": replace(MODEL, inputs=100)}, False),
        ({"model": replace(MODEL, cell="gru")}, False),
        ({"model": replace(MODEL, layers=2)}, False),
        ({"model": replace(MODEL, layers=2), "dropout": 0.1}, False),
        ({"model": replace(MODEL, bidirectional=True)}, False),
        ({"model": replace(MODEL, readout="every")}, False),
        ({"loss": "cross-entropy"}, False),
    ],
)
def test_a_choice_is_for_jobs_of_its_kind(tuned_file: Path, change: dict[str, Any], same: bool) -> None:
    tuned.keep(choice())
    found = tuned.find("numpy", replace(JOB, **change), "flush")
    assert (found == choice()) is same
    assert same or found is None


def test_it_is_for_its_backend_and_its_treatment_of_denormals(tuned_file: Path) -> None:
    tuned.keep(choice())
    assert tuned.find("torch", JOB, "flush") is None
    assert tuned.find("numpy", JOB, "keep") is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"processor": "another"}, "another machine's"),
        ({"gpu": "another"}, "another machine's"),
        ({"libraries": {"numpy": "1"}}, "of other versions"),
    ],
)
def test_that_of_another_machine_or_version_is_kept_and_not_taken(
    tuned_file: Path, change: dict[str, Any], why: str
) -> None:
    here = choice()
    elsewhere = here.kind.model_copy(update={"place": here.kind.place.model_copy(update=change)})
    tuned.keep(choice(kind=elsewhere))
    assert tuned.find("numpy", JOB, "flush") is None
    (kept,) = tuned.read()
    assert (kept.unused, here.unused) == (why, None)


def test_the_newest_of_a_kind_is_kept_and_forgetting_the_last_leaves_no_file(tuned_file: Path) -> None:
    other = choice(replace(JOB, threads=1))
    for each in (choice(), other, choice(variant="hoisted")):
        tuned.keep(each)
    assert tuned.read() == [other, choice(variant="hoisted")]
    assert tuned.forget(lambda each: each.kind.threads == 1) == 1
    assert tuned.read() == [choice(variant="hoisted")]
    assert tuned.forget(lambda each: True) == 1
    assert not tuned_file.exists()
    assert tuned.read() == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "fastest of 6, measured here 2026-11-26"),
        ({"tied": True}, "as fast as any of 6, measured here 2026-11-26"),
        ({"disturbed": True}, "fastest of 6, measured here 2026-11-26 while others computed"),
    ],
)
def test_its_reason_says_how_it_was_found(changes: dict[str, Any], reason: str) -> None:
    assert choice(**changes).reason == reason


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b'{"kind": "run"}', b'{"kind": "tuned", "schema_version": 2, "choices": []}'],
)
def test_a_file_of_something_else_is_one_line_and_the_next_choice_takes_its_place(
    tuned_file: Path, content: bytes
) -> None:
    tuned_file.write_bytes(content)
    with pytest.raises(tuned.Unreadable) as error:
        tuned.find("numpy", JOB, "flush")
    assert str(error.value).startswith(f"{tuned_file}: no file of tuned choices: ")
    assert "\n" not in str(error.value)
    tuned.keep(choice())
    assert tuned.read() == [choice()]


@pytest.mark.parametrize("use", [tuned.keep, lambda each: tuned.forget(lambda _: True)])
def test_what_cannot_be_written_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Tuned], object]
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv(tuned.VARIABLE, str(tmp_path / "a file" / "tuned.json"))
    with pytest.raises(OSError, match="a file"):
        use(choice())


def test_an_empty_name_switches_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tuned.VARIABLE, "")
    tuned.keep(choice())
    assert tuned.read() == []
    monkeypatch.delenv(tuned.VARIABLE)
    assert (tuned.place() or Path()).name == "tuned.json"


def test_a_class_of_sizes_is_that_of_one_micro_batch() -> None:
    assert SizeClass.of(replace(JOB, batch=128, accumulate=2)).batch == 64
