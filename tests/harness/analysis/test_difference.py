"""Whether a difference can be told, and how often that is right. Made-up measurements, no process."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from harness.analysis.difference import Difference, accuracy, difference
from harness.errors import CannotCompare
from harness.records.run import Record

RecordFactory = Callable[..., Record]


def measured(true_ratio: float, seed: int, restarts: int = 8, pairs: int = 20) -> Difference:
    """Pairs as a noisy machine gives them: processes 1 % apart, blocks 3 %, every tenth block disturbed."""
    draw = random.Random(seed)
    found = []
    for _ in range(restarts):
        process = true_ratio * math.exp(draw.gauss(0, 0.01))
        found.append([
            process * math.exp(draw.gauss(0, 0.03)) * (draw.choice([0.5, 2.0]) if draw.random() < 0.1 else 1.0)
            for _ in range(pairs)
        ])  # fmt: skip
    return difference(found)


def test_a_spec_and_itself_are_no_different_99_times_in_100() -> None:
    """And the truth lies outside the 95 % interval 1 time in 20."""
    found = [measured(1.0, seed) for seed in range(400)]
    assert sum(each.verdict != "neither" for each in found) / 400 <= 0.02
    assert 0.03 <= sum(not each.low <= 1 <= each.high for each in found) / 400 <= 0.07


def test_a_true_difference_of_3_percent_is_found_with_its_sign() -> None:
    found = [measured(1.03, seed).verdict for seed in range(100)]
    assert found.count("A") >= 97
    assert found.count("B") == 0
    assert measured(1 / 1.2, 0).verdict == "B"


def test_the_sentence_names_the_faster_and_the_interval() -> None:
    a = difference([[1.40, 1.44], [1.42, 1.42], [1.41, 1.43]])
    assert a.sentence("faster", "pairs").startswith("A is 1.42× faster than B (95 % interval 1.4")
    b = difference([[1 / 1.40, 1 / 1.44], [1 / 1.42, 1 / 1.42], [1 / 1.41, 1 / 1.43]])
    assert b.sentence("faster", "pairs").startswith("B is 1.42× faster than A")
    unclear = difference([[0.9], [1.2], [1.0]])
    assert unclear.sentence("faster", "pairs").startswith("no difference can be told (ratio 1.03")
    assert "more pairs would tell" in unclear.sentence("faster", "pairs")


def test_more_pairs_are_what_halves_the_interval() -> None:
    few, more = measured(1.01, 3), measured(1.01, 3, restarts=40)
    assert more.high / more.low < few.high / few.low


def test_accuracy_is_paired_by_seed(make_record: RecordFactory) -> None:
    def runs(*errors: float) -> list[Record]:
        made = [make_record("adding", seed=seed) for seed in range(len(errors))]
        return [
            record.model_copy(update={"metrics": record.metrics.model_copy(update={"score": {"mse": error}})})
            for record, error in zip(made, errors, strict=True)
            if record.metrics
        ]

    # the seeds are farther apart than the sides, which only pairs can tell
    low, high = runs(0.010, 0.020, 0.030), runs(0.0121, 0.0219, 0.0320)
    found = accuracy(low, high)
    assert (found.better, found.seeds) == ("A", 3)
    assert accuracy(high, low).better == "B"
    assert accuracy(low, low).better == "neither"
    assert "A has learned more (mse: A 0.02, B 0.022; B less A 0.002" in found.sentence()
    with pytest.raises(CannotCompare, match="seed 0: failed"):
        accuracy([make_record("adding", status="failed", reason="not finite")], low[:1])
