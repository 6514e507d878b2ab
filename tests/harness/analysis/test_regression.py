"""Recorded runs, before and after: what counts as worse, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.regression import against, closing, pair, sentences
from harness.errors import UsageError
from harness.records.base import Noise
from harness.records.run import Record
from harness.records.store import Store

RecordFactory = Callable[..., Record]


def scaled(record: Record, factor: float = 1.0, **metrics: Any) -> Record:
    """The same run, ``factor`` times as fast."""
    measured = record.metrics
    assert measured is not None
    rate = measured.train_sequences_per_second
    assert rate is not None
    faster = {name: getattr(rate, name) * factor for name in ("median", "p10", "p90")}
    changed = {"train_sequences_per_second": rate.model_copy(update=faster), **metrics}
    return record.model_copy(update={"metrics": measured.model_copy(update=changed)})


@pytest.fixture
def before(make_record: RecordFactory) -> list[Record]:
    return [make_record("copy", "torch", seed=seed, number=seed) for seed in range(4)]


def test_the_same_runs_are_no_regression(before: list[Record]) -> None:
    assert not against(before, before, 0.0).worse


@pytest.mark.parametrize(("factor", "state"), [(0.5, "worse"), (2.0, "better"), (0.99, "same")])
def test_a_slower_side_is_worse(before: list[Record], factor: float, state: str) -> None:
    found = against(before, [scaled(record, factor) for record in before], 0.05)
    assert found.rows[0].time.state == state
    assert found.worse == (state == "worse")


def test_what_the_tolerance_allows_is_let_pass(before: list[Record]) -> None:
    half = [scaled(record, 0.5) for record in before]
    assert against(before, half, 0.5).worse
    assert not against(before, half, 1.5).worse


@pytest.mark.parametrize("seeds", [1, 4])
def test_a_worse_score_is_worse_with_one_run_and_with_several(before: list[Record], seeds: int) -> None:
    base = before[:seeds]
    worse = [scaled(record, 1.0, score={"recall_accuracy": 0.3}, solved=False) for record in base]
    found = against(base, worse, 0.05)
    assert found.rows[0].score.state == "worse"
    assert against(worse, base, 0.05).rows[0].score.state == "better"


def test_more_memory_is_worse(before: list[Record]) -> None:
    measured = before[0].metrics
    assert measured is not None
    assert measured.host_init_bytes is not None
    more = [scaled(record, 1.0, host_peak_bytes=measured.host_init_bytes + 2**32) for record in before]
    assert against(before, more, 0.05).rows[0].memory.state == "worse"
    assert against(before[:1], more[:1], 0.05).rows[0].memory.state == "not judged"


def test_a_run_that_fails_now_is_worse_and_one_that_is_gone_is_named(
    before: list[Record], make_record: RecordFactory
) -> None:
    failed = make_record("copy", "torch", status="failed", reason="loss is not finite")
    assert against(before, [failed], 0.05).worse
    found = against([*before, make_record("adding")], before, 0.05)
    assert not found.worse
    assert any("only before: adding" in line for line in closing(found))


def test_another_machine_is_not_judged(before: list[Record]) -> None:
    moved = [
        scaled(r, 0.1).model_copy(update={"environment": r.environment.model_copy(update={"cpu": "another"})})
        for r in before
    ]
    found = against(before, moved, 0.05)
    assert found.rows[0].time.state == "not judged"
    assert not found.worse


def test_runs_on_other_data_are_not_judged_nor_two_records_compared(make_record: RecordFactory) -> None:
    then, now = (make_record(metrics={"data_sha256": digest * 64}) for digest in "ab")
    (row,) = against([then], [now], 0.05).rows
    assert [change.state for change in row.changes] == ["not judged"] * 3
    assert row.score.text == "the data differs (SHA-256 bbbbbbbbbbbb…, before aaaaaaaaaaaa…)"
    with pytest.raises(UsageError, match=r"the data differs .*: only runs of one task can be compared"):
        pair(then, now)
    assert pair(then, now.model_copy(update={"spec": now.spec.model_copy(update={"seed": 1})}))


def test_two_records_say_that_they_are_unpaired(make_record: RecordFactory) -> None:
    a, b = make_record("copy", "numpy"), make_record("copy", "jax")
    row, differ = pair(a, b)
    assert "backend: numpy, jax" in differ
    last = sentences(a, b, row, differ)[-1]
    assert last.startswith("B was ")
    assert "unpaired" in last
    assert sentences(a, a, *pair(a, a))[-1].startswith("no difference can be told")


def test_nothing_in_common_is_refused(make_record: RecordFactory) -> None:
    with pytest.raises(UsageError, match="no spec in common"):
        against([make_record("copy")], [make_record("adding")], 0.05)
    with pytest.raises(UsageError, match="one task"):
        pair(make_record("copy"), make_record("adding"))
    with pytest.raises(UsageError, match="no result"):
        pair(make_record("copy", status="failed"), make_record("copy"))
    with pytest.raises(UsageError, match="tolerance"):
        against([make_record("copy")], [make_record("copy")], -1.0)


def harness(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "harness", "compare", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_command_exits_with_1_where_something_got_worse(tmp_path: Path, before: list[Record]) -> None:
    paths = []
    for name, factor in (("old", 1.0), ("new", 0.5)):
        store = Store(tmp_path / name)
        store.prepare()
        paths = [store.write(scaled(record, factor)) for record in before]
    done = harness(tmp_path / "new", "--against", tmp_path / "old")
    assert done.returncode == 1, done.stderr
    assert "1 worse" in done.stdout
    assert harness(tmp_path / "new", "--against", tmp_path / "new").returncode == 0
    assert json.loads(harness(paths[0], paths[1], "--json").stdout)["time"]["ratio"] > 0


@pytest.mark.parametrize("words", [[], ["one.json"], ["--a", "--backend torch"], ["--against", "x"]])
def test_words_that_name_no_two_sides_are_refused(words: list[str]) -> None:
    done = harness(*words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_a_variant_under_its_former_and_its_present_name_is_one_spec(make_record: RecordFactory) -> None:
    def of(name: str, seed: int) -> Record:
        record = make_record("copy", "numpy", variant=name, seed=seed)
        return record.model_copy(update={"spec": record.spec.model_copy(update={"variant": name})})

    found = against([of("halves", seed) for seed in (1, 2)], [of("parts", seed) for seed in (1, 2)], 0.05)
    assert (found.only_before, found.only_after) == ([], [])
    assert "→" not in found.rows[0].name
    assert pair(of("halves", 1), of("parts", 1))[1] == []


def test_noise_of_either_side_is_told(make_record: RecordFactory) -> None:
    quiet, noisy = make_record(), make_record(record={"noise": Noise(bimodal=True)})
    found, differ = pair(quiet, noisy)
    assert found.noisy == 1
    assert "B was disturbed: bimodal" in sentences(quiet, noisy, found, differ)
    assert not [line for line in sentences(quiet, quiet, *pair(quiet, quiet)) if "disturbed" in line]


def test_a_score_that_only_one_side_has_is_not_judged(make_record: RecordFactory) -> None:
    other = make_record(metrics={"main_score": "other", "score": {"other": 1.0}})
    found, _ = pair(make_record(), other)
    assert (found.score.state, found.score.text) == ("not judged", "after: no score is called mse")


def test_rates_that_lie_absurdly_far_apart_have_an_interval(make_record: RecordFactory) -> None:
    def at(rate: float, seed: int) -> Record:
        spread = {"median": rate, "p10": rate, "p90": rate, "blocks": 3}
        return make_record(seed=seed, metrics={"train_sequences_per_second": spread})

    (row,) = against([at(1.0, 0), at(1e99, 1)], [at(1e-99, 0), at(1.0, 1)], 0.05).rows
    assert row.time.state == "same"


def test_scores_that_lie_absurdly_far_apart_have_an_interval(make_record: RecordFactory) -> None:
    runs = [make_record(seed=seed, metrics={"score": {"mse": mse}}) for seed, mse in enumerate([1e99, 0.1])]
    (row,) = against(runs, runs, 0.05).rows
    assert row.score.state == "same"
