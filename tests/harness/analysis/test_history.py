"""A spec under several versions: which lines there are, their order, and what changed beyond noise."""

from __future__ import annotations

from typing import Any

from harness.analysis.history import lines
from harness.records.run import Record
from tests.harness.conftest import made_record


def run(version: str, seed: int, speed: float = 1.0, commit: str = "a" * 40, **more: Any) -> Record:
    """A run of one spec; ``speed`` times as fast as usual."""
    made = made_record(
        seed=seed, number=sum(map(ord, version + commit)) * 10 + seed,
        environment={"versions": {"harness": "0.1.0", "torch": version}, "git_commit": commit}, **more,
    )  # fmt: skip
    assert made.metrics
    rate = made.metrics.train_sequences_per_second
    assert rate
    faster = rate.model_copy(update={name: getattr(rate, name) * speed for name in ("median", "p10", "p90")})
    return made.model_copy(update={"metrics": made.metrics.model_copy(update={"train_sequences_per_second": faster})})


def test_versions_stand_in_the_order_of_their_numbers_and_a_change_is_marked() -> None:
    runs = [run(version, seed, speed) for version, speed in (("2.10.0", 1.6), ("2.9.1", 1.0)) for seed in range(3)]
    (line,) = lines(runs)
    assert [version.words for version in line.versions] == ["torch 2.9.1", "torch 2.10.0"]
    first, second = line.versions
    assert first.change is None
    assert second.change
    assert second.change.time.state == "better"
    assert second.change.score.state == "same"
    assert line.changed


def test_what_lies_within_noise_is_no_change() -> None:
    (line,) = lines([run(version, seed, 1 + 0.01 * seed) for version in ("2.9.1", "2.10.0") for seed in range(3)])
    assert not line.changed


def test_versions_of_this_project_make_a_line_too() -> None:
    (line,) = lines([run("2.9.1", 0, commit=letter * 40) for letter in "ab"])
    assert sorted(version.words for version in line.versions) == ["commit aaaaaaaa", "commit bbbbbbbb"]


def test_neither_one_version_nor_another_machine_nor_another_spec_makes_a_line() -> None:
    elsewhere = made_record(environment={"cpu": "Another CPU", "versions": {"harness": "0.1.0", "torch": "9.9"}})
    other = run("9.9", 0, batch=51)
    assert lines([run("2.9.1", 0), run("2.9.1", 1), elsewhere, other]) == []
