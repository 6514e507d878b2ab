"""Answers say no more than the measurements: simulated machines whose truth is known, and what may not be mixed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from harness.analysis.answer import Answer
from harness.analysis.answers import answers
from harness.analysis.answers_of_contests import limits
from harness.analysis.standings import together
from harness.presentation.run_columns import COLUMNS
from harness.records.base import Noise, Spread
from harness.records.kept import Run
from harness.records.run import Record
from harness.records.speed import Row, SpeedRecord, Timed
from tests.harness.conftest import made_contestant, made_record, made_speed

RATES = {"numpy": 1000.0, "torch": 1500.0, "jax": 2000.0}


def run(backend: str, rate: float | None, seed: int = 0, spread: float = 0.02, **more: Any) -> Record:
    """A run that trained so many sequences per second, its blocks spread around it."""
    speed = None if rate is None else Spread(median=rate, p10=rate * (1 - spread), p90=rate * (1 + spread), blocks=38)
    metrics = {"train_sequences_per_second": speed, **more.pop("metrics", {})}
    number = 100 * list(RATES).index(backend) + seed + more.pop("number", 0)
    return made_record(backend=backend, seed=seed, number=number, record={"tier": "best", **more.pop("record", {})},
                       metrics=metrics, **more)  # fmt: skip


def asked(runs: Sequence[Record] = (), speeds: Sequence[SpeedRecord] = ()) -> list[Answer]:
    def figure(each: Run, name: str) -> Any:
        return {"level": each.metrics.train_s} if name == "seconds_to" and each.metrics else COLUMNS[name].get(each)

    return answers(runs, speeds, figure)


def one(runs: Sequence[Record] = (), speeds: Sequence[SpeedRecord] = ()) -> Answer:
    (found,) = asked(runs, speeds)
    return found


def turns(backend: str, ms: Sequence[float], tier: str = "best", **more: Any) -> Row:
    """A contestant whose updates took so long in each round."""
    row = made_contestant(backend, float(np.median(ms)), tier, rounds=len(ms))
    blocks = [Timed(round=n, steps=10, seconds=each / 100) for n, each in enumerate(ms)]
    return row.model_copy(update={"blocks": blocks, **more})


# -- what chance alone may do ---------------------------------------------------------------------------
def test_equal_contenders_are_told_apart_no_more_often_than_promised() -> None:
    machine = np.random.default_rng(7)
    trials, wrong = 150, 0
    for _ in range(trials):
        runs = [
            run(backend, float(1000 * np.exp(machine.normal(0, 0.04))), seed)
            for backend in RATES
            for seed in range(3)
        ]  # fmt: skip
        wrong += any(lead.told for lead in one(runs).leads)
    assert wrong / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_starts_that_differ_a_little_are_no_lead_of_one_contest() -> None:
    machine = np.random.default_rng(8)
    trials, wrong = 100, 0
    for place in range(trials):
        starts = np.exp(machine.normal(0, 0.015, 3))  # what differs from process to process, and no round shows
        rows = [
            turns(backend, [float(2 * start * np.exp(machine.normal(0, 0.03))) for _ in range(12)])
            for backend, start in zip(RATES, starts, strict=True)
        ]
        answer = one(speeds=[made_speed(rows)])
        assert answer.leads[0].basis == "rounds", place
        wrong += any(lead.told for lead in answer.leads)
    assert wrong <= 2


def test_all_pairs_hold_together() -> None:
    assert together(1) == together(2) == 0.95
    assert together(4) == pytest.approx(1 - 0.05 / 6)


# -- what can be told -----------------------------------------------------------------------------------
def test_seeds_are_the_observations_from_three_on() -> None:
    runs = [run(backend, rate * (1 + seed / 100), seed) for backend, rate in RATES.items() for seed in range(3)]
    answer = one(runs)
    assert answer.verdict == "fastest"
    assert [each.backend for each in answer.standing] == ["jax", "torch", "numpy"]
    lead = answer.leads[0]
    assert (lead.basis, lead.count, lead.confidence) == ("runs", 3, together(3))
    assert lead.low is not None
    assert lead.high is not None
    assert lead.low < lead.ratio < lead.high
    assert lead.ratio == pytest.approx(4 / 3, rel=0.01)
    assert {source.id for source in answer.standing[0].sources} == {each.id for each in runs[6:]}


@pytest.mark.parametrize(
    ("rates", "spread", "verdict"),
    [((1000, 1500), 0.02, "fastest"), ((1000, 1090), 0.02, "tied"), ((1000, 1500), 0.25, "tied")],
    ids=["far apart", "another start may differ as much", "ranges of blocks meet"],
)
def test_of_one_run_each_the_ranges_of_blocks_must_lie_apart(
    rates: tuple[float, float], spread: float, verdict: str
) -> None:
    answer = one([run("numpy", rates[0], spread=spread), run("torch", rates[1], spread=spread)])
    assert answer.verdict == verdict
    assert answer.leads[0].basis == "blocks"


def test_a_disturbed_run_does_not_count_and_keeps_open_what_it_might_have_won() -> None:
    noise: dict[str, Any] = {"record": {"tier": "best", "noise": Noise(drift=0.2)}}
    calm = [run("torch", 1500), run("numpy", 1000)]
    answer = one([*calm, run("jax", 2000, **noise)])
    assert answer.verdict == "open"
    assert [(each.backend, each.why) for each in answer.open] == [("jax", "drift")]
    assert [each.backend for each in answer.standing] == ["torch", "numpy"]
    assert one([*calm, run("jax", 500, **noise)]).verdict == "fastest", "one that read slower leaves it"
    seeds = [run("jax", 2000, 0, **noise), *(run("jax", 2000, seed) for seed in (1, 2))]
    assert one([*calm, *seeds]).verdict == "fastest", "others of its kind count"


def test_what_was_measured_side_by_side_or_failed_does_not_count() -> None:
    shared = {"place": {"engine": "local", "node": "n", "share": 2}}
    answer = one(
        [run("torch", 1500), run("jax", None, record={"tier": "best", **shared}), run("numpy", 1000, status="failed")]
    )
    assert answer.verdict == "alone"
    assert {(each.backend, each.why) for each in answer.left_out} == {
        ("jax", "its speed was not measured"), ("numpy", "failed"),
    }  # fmt: skip


def test_several_updates_at_once_have_no_rank() -> None:
    answer = one([run("torch", 1500), run("numpy", 1000), run("jax", 9000, record={"tier": "fused"})])
    assert [each.backend for each in answer.standing] == ["torch", "numpy"]


OTHERS: dict[str, dict[str, Any]] = {
    "processor": {"environment": {"cpu": "Another"}},
    "number of CPUs": {"environment": {"logical_cpus": 64}},
    "memory": {"environment": {"memory_bytes": 2**40}},
    "Python": {"environment": {"python": "3.13.1"}},
    "precision": {"precision": "float64"},
    "width": {"hidden": 65},
}


@pytest.mark.parametrize("differing", OTHERS.values(), ids=OTHERS)
def test_nothing_of_another_kind_is_mixed(differing: dict[str, Any]) -> None:
    found = asked([run("torch", 1500), run("numpy", 1000), run("jax", 9000, **differing)])
    assert sorted(sorted(answer.backends) for answer in found) == [["jax"], ["numpy", "torch"]]


def test_of_several_sources_the_newest_with_two_backends_answers() -> None:
    def under(digest: str) -> dict[str, Any]:
        return {"environment": {"sources": {"backends": digest}}}

    old = [run("torch", 1500, **under("a")), run("numpy", 1000, **under("a"))]
    newer = [run("torch", 900, number=500, **under("b")), run("numpy", 1000, number=500, **under("b"))]
    alone = [run("jax", 9000, number=900, **under("c"))]
    answer = one([*old, *newer, *alone])
    assert [each.backend for each in answer.standing] == ["numpy", "torch"]
    assert {source.id for source in answer.sources} == {each.id for each in newer}
    assert answer.earlier == 2


def test_the_newest_version_of_a_framework_stands_for_it() -> None:
    def version(number: str) -> dict[str, Any]:
        return {"environment": {"versions": {"torch": number}}}

    answer = one([run("numpy", 1000), run("torch", 3000, **version("2.9")), run("torch", 2000, 1, **version("2.10"))])
    assert [(each.backend, each.version) for each in answer.standing] == [("torch", "2.10"), ("numpy", "2.11.0")]


# -- contests -------------------------------------------------------------------------------------------
def test_pairs_of_one_round_tell_where_the_machine_drifts() -> None:
    drift = [1 + n / 10 for n in range(8)]
    jitter = [1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99]
    rows = [
        turns("torch", [2 * each for each in drift]),
        turns("torch", [2.6 * a * b for a, b in zip(drift, jitter, strict=True)], "default"),
        turns("numpy", [3 * a * b for a, b in zip(drift, jitter, strict=True)]),
    ]
    answer = one(speeds=[made_speed(rows)])
    assert answer.verdict == "fastest"
    assert answer.leads[0].ratio == pytest.approx(1.5, rel=0.01)
    (gain,) = answer.gains
    assert (gain.usual.tier, gain.tuned.tier, gain.lead.told) == ("default", "best", True)
    assert gain.lead.ratio == pytest.approx(1.3, rel=0.01)
    assert answer.standing[0].sources[0].place == 0
    assert answer.ceiling is not None
    assert answer.ceiling.gemm_gflops == 100
    assert answer.ceiling.low <= answer.ceiling.share <= answer.ceiling.high


def test_predictions_say_nothing_of_who_trains_fastest() -> None:
    """Neither alone nor beside the same contestants in training."""
    trained = made_speed([turns("torch", [3.0] * 4), turns("numpy", [2.0] * 4)])
    rows = [made_contestant(backend, ms, measure="predict") for backend, ms in (("torch", 1.0), ("numpy", 2.0))]
    predicted = made_speed(rows)
    assert asked(speeds=[predicted]) == []
    assert one(speeds=[trained, predicted]) == one(speeds=[trained])


def test_too_few_rounds_tell_nothing_whatever_they_say() -> None:
    answer = one(speeds=[made_speed([turns("torch", [1.0, 1.0]), turns("numpy", [9.0, 9.0])])])
    assert (answer.verdict, answer.leads[0].low) == ("tied", None)


def test_three_calls_are_the_observations() -> None:
    calls = [
        made_speed([turns("torch", [2.0 * start] * 4), turns("numpy", [2.06] * 4)]).model_copy(
            update={"id": f"call-{n}", "created": datetime(2026, 1, 2 + n, tzinfo=UTC)}
        )
        for n, start in enumerate((1.0, 1.001, 0.999))
    ]
    lead = one(speeds=calls).leads[0]
    assert (lead.basis, lead.count, lead.told) == ("calls", 3, True), "less than 5 %, but each start had it"
    assert not one(speeds=calls[:2]).leads[0].told


def test_a_disturbed_contestant_does_not_count() -> None:
    noisy = turns("jax", [1.0, 1.0, 1.0, 1.0], noise=Noise(steal_share=0.5))
    answer = one(speeds=[made_speed([turns("torch", [2.0] * 4), turns("numpy", [3.0] * 4), noisy])])
    assert (answer.verdict, [each.backend for each in answer.open]) == ("open", ["jax"])


def test_what_a_machine_gives_is_of_the_last_call() -> None:
    (limit,) = limits([made_speed([turns("torch", [2.0] * 4)])]).values()
    assert (limit.gemm_gflops, limit.copy_gb_per_s) == (100, 10)
