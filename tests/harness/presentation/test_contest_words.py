"""A contest in words."""

from __future__ import annotations

import pytest

from harness.presentation.contest_words import (
    a_step,
    about,
    changed,
    departure,
    latencies,
    named,
    outcome,
    ranked,
    title,
)
from harness.records.speed import Contest, Roof
from harness.specs.speed import Changes, Measure
from tests.harness.conftest import made_contestant


def a_contest(changes: Changes | None = None, name: str | None = "B") -> Contest:
    return Contest(name=name, changed=changes or {}, rows=[made_contestant("torch", 2.0)])


@pytest.mark.parametrize(
    ("changes", "word", "says"),
    [
        ({}, "", "B"),
        ({"length": (100, 50)}, "reduced", "B, reduced: length 50"),
        ({"length": (100, 50), "batch": (3, 8)}, "changed", "B, changed: length 50, batch 8"),
    ],
)
def test_a_named_shape_that_was_changed_says_how(changes: Changes, word: str, says: str) -> None:
    contest = a_contest(changes)
    assert (departure(contest), named(contest)) == (word, says)
    assert named(contest, brief=True) == says.partition(":")[0]
    assert changed(contest) == says.partition(": ")[2]


def test_a_title_names_shape_cell_and_sizes_and_by_name_those_that_vary() -> None:
    assert title(a_contest()) == "B: lstm 5, 3×4×2"
    assert title(a_contest(), without=("hidden", "batch")) == "lstm hidden, batch×4×2"


@pytest.mark.parametrize(
    ("measure", "says", "word"),
    [
        ("train", "B: lstm 5, 3×4×2", "an update"),
        ("predict", "B: prediction, host to host, lstm 5, 3×4×2", "a prediction"),
        ("predict-resident", "B: prediction on the device, lstm 5, 3×4×2", "a prediction"),
    ],
)
def test_a_contest_of_predictions_says_so(measure: Measure, says: str, word: str) -> None:
    contest = Contest(name="B", rows=[made_contestant("torch", 2.0, measure=measure)])
    assert (title(contest), a_step([contest])) == (says, word)
    assert ("adam" in about(contest)) is (measure == "train")


def test_what_all_contestants_share_is_told() -> None:
    assert about(a_contest()).startswith("batch×length×features · 1 output, last step, mse · ")
    assert about(a_contest()).endswith("on cpu · 1 thread · denormals flushed")


def test_rows_are_ranked_within_their_tier_and_those_without_figures_are_told() -> None:
    slow, fast = made_contestant("torch", 3.0), made_contestant("torch", 1.0)
    fused = made_contestant("torch", 0.5, "fused")
    failed = slow.model_copy(update={"figures": None, "status": "failed", "reason": "why\x1b"})
    assert ranked([fused, slow, failed, fast]) == [fast, slow, fused]
    assert outcome(Contest(rows=[failed]), failed) == "torch best-one: failed: why"


def test_latencies_are_told_backend_by_backend() -> None:
    assert latencies(Roof(us_per_step={"torch": 2.5, "jax": 0.75})) == "jax 0.75 µs, torch 2.5 µs"
