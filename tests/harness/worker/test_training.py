"""The loop over chunks, with an injected clock and the real NumPy trainer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import backends
import tasks
from backends.parameters import initial
from harness.errors import RunFailed
from harness.records.base import Spread
from harness.records.figures import Block, rates
from harness.specs.run import RunSpec
from harness.worker.clocks import Clocks
from harness.worker.training import Training, block_sizes, first_crossings, marked


class Clock:
    """Every reading is one second after the last."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def a_spec(**changes: Any) -> RunSpec:
    fields: dict[str, Any] = {
        "task": "adding", "preset": "smoke", "parameters": tasks.load("adding", {"length": 4}).parameters,
        "backend": "numpy", "model": {"hidden": 3}, "batch": 10, "steps": 12, "chunk": 3, "evaluate_every": 6,
        "threads": 1,
    }  # fmt: skip
    return RunSpec.model_validate(fields | changes)


def a_run(spec: RunSpec, reports: list[Any] | None = None) -> Training:
    task = tasks.load(spec.task, spec.parameters, spec.seed)
    job = spec.job(task)
    trainer = backends.load(spec.backend).trainer(job, initial(job.model, spec.initialisation_spec(), spec.seed))
    return Training(
        spec, task, trainer, Clocks(Clock()), (reports if reports is not None else []).append, lambda _: None
    )


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 100))
def test_blocks_cover_every_step_and_end_at_chunks_and_evaluations(steps: int, chunk: int, every: int) -> None:
    ends, done = set(), 0
    for size in block_sizes(steps, chunk, every):
        assert 1 <= size <= chunk
        done += size
        ends.add(done)
    assert done == steps
    assert {1, *range(chunk, steps + 1, chunk), *range(every, steps + 1, every)} <= ends


@given(st.integers(1, 3000), st.integers(1, 40), st.integers(1, 100))
def test_every_mark_ends_a_block(steps: int, chunk: int, every: int) -> None:
    ends, done = set(), 0
    for size in block_sizes(steps, chunk, every):
        done += size
        ends.add(done)
    assert {1} <= marked(steps, chunk) <= ends
    assert len(marked(steps, chunk)) <= 12


@pytest.mark.parametrize("until", [1, 3, 6, 9])
def test_the_first_updates_are_those_of_the_whole_run(until: int) -> None:
    """With a rate that falls to the last update of the whole run, whose marks are where its points are."""
    spec = a_spec(optimizer={"lr": 0.1, "schedule": "cosine"})
    run, first = a_run(spec), a_run(spec)
    whole, part = run(), first(until)
    assert (part.updates, part.stopped_at) == (until, until)
    assert [point.loss for point in part.curve] == [point.loss for point in whole.curve if point.step <= until]
    assert [mark.step for mark in whole.marks] == [1, 3, 6, 12]
    assert part.marks == [mark for mark in whole.marks if mark.step <= until]
    digests = {point.step: point.losses_sha256 for point in whole.curve}
    assert [mark.losses_sha256 for mark in whole.marks[2:]] == [digests[6], digests[12]]
    assert whole.marks[-1].data_sha256 == run.data.digest() != part.marks[-1].data_sha256
    assert whole.marks[2].train_loss == pytest.approx(whole.curve[1].train_loss)


def test_only_training_after_the_first_chunk_enters_the_throughput() -> None:
    outcome = a_run(a_spec())()
    assert [block.steps for block in outcome.train_blocks] == [3, 3, 3]
    assert all(block.seconds == 1.0 for block in outcome.train_blocks)
    assert outcome.first_step_s == 1.0


def test_the_curve_starts_untrained_and_ends_at_the_last_step() -> None:
    outcome = a_run(a_spec(steps=14))()
    assert [point.step for point in outcome.curve] == [0, 6, 12, 14]
    assert outcome.curve[0].train_loss is None
    assert outcome.curve[0].seconds == 0
    assert outcome.score_step == 14


def test_best_on_validation_reports_the_step_of_the_lowest_validation_loss() -> None:
    spec = a_spec(score_at="best-validation", steps=30, optimizer={"lr": 0.3})
    outcome = a_run(spec)()
    trained = outcome.curve[1:]
    assert outcome.score_step == min(trained, key=lambda point: point.loss).step
    assert outcome.score_step != 30, "the case must tell the two apart"


@pytest.mark.parametrize("score_at", ["final", "best-validation"])
@pytest.mark.parametrize("patience", [1, 3])
def test_training_ends_where_the_lowest_loss_is_patience_evaluations_ago(patience: int, score_at: str) -> None:
    """On the way that the same run takes without patience; what is scored is where it ended, or the lowest."""
    going_on = a_spec(steps=60, evaluate_every=3, optimizer={"lr": 0.3})
    whole = a_run(going_on)()
    outcome = a_run(going_on.model_copy(update={"patience": patience, "score_at": score_at}))()
    trained = outcome.curve[1:]
    lowest = min(trained, key=lambda point: point.loss).step
    assert outcome.stopped_at == outcome.updates == trained[-1].step == lowest + 3 * patience < 60
    assert [point.loss for point in outcome.curve] == [point.loss for point in whole.curve[: len(outcome.curve)]]
    assert outcome.score_step == (lowest if score_at == "best-validation" else outcome.updates)
    assert sum(block.steps for block in outcome.train_blocks) == outcome.updates - 3, "what was trained, warm-up aside"


def test_patience_that_lasts_changes_nothing_and_the_untrained_model_is_no_lowest_loss() -> None:
    spec = a_spec(optimizer={"lr": 10.0}, steps=6, evaluate_every=3, patience=1)
    outcome = a_run(spec)()
    assert outcome.curve[1].loss > outcome.curve[0].loss, "the case must tell the two apart"
    assert (outcome.updates, outcome.stopped_at) == (6, None)


def test_a_run_repeats_bit_for_bit() -> None:
    first, second = (a_run(a_spec())().curve for _ in range(2))
    assert [point.loss for point in first] == [point.loss for point in second]
    assert a_run(a_spec(seed=1))().curve[-1].loss != first[-1].loss


def test_held_out_sets_are_scored_whole_whatever_the_batch() -> None:
    """Batches of the compiled shape are padded, and the padding never counts."""
    losses = {batch: a_run(a_spec(batch=batch, steps=1))().curve[0].loss for batch in (7, 1000)}
    assert losses[7] == pytest.approx(losses[1000], rel=1e-6)


def test_a_loss_that_is_not_finite_ends_the_run() -> None:
    run = a_run(a_spec())
    run.trainer.views["head.b"][:] = float("nan")  # type: ignore[attr-defined]
    with pytest.raises(RunFailed, match="diverged"):
        run()


def test_compiling_in_the_steady_state_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(a_spec())
    counts = iter(range(100))
    monkeypatch.setattr(run.trainer, "compilations", lambda: next(counts))
    with pytest.raises(RunFailed, match="compiled again in the steady state"):
        run()


def test_the_devices_own_time_is_added_up_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(a_spec())
    run()
    assert run.device_s is None, "on the CPU nothing has events"
    run = a_run(a_spec())
    monkeypatch.setattr(run.trainer, "device_seconds", lambda: 0.25)
    outcome = run()
    assert run.device_s == 0.25 * (len(outcome.train_blocks) + 2), "the first update and the warm-up count too"


def test_progress_is_reported_with_the_recent_rate() -> None:
    reports: list[Any] = []
    a_run(a_spec(), reports)()
    assert [report.step for report in reports] == [1, 3, 6, 9, 12]
    assert reports[-1].sequences_per_second == 10 * 3 / 1.0


def test_spread_is_of_blocks() -> None:
    found = Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found is not None
    assert (found.p10, found.median, found.p90, found.blocks) == (1.4, 3.0, 4.6, 5)
    assert Spread.of([]) is None
    found = rates([Block(10, 2.0)], 8)
    assert found is not None
    assert found.median == 40.0


def test_milestones_give_the_first_step_past_them() -> None:
    spec = a_spec()
    task = tasks.load("adding", spec.parameters)
    curve = a_run(spec)().curve
    curve = [p.model_copy(update={"scores": {"mse": mse}}) for p, mse in zip(curve, [0.2, 0.04, 0.03], strict=True)]
    assert first_crossings(task, curve) == {"mse < 0.05": 6, "mse < 0.01": None}


def test_dropout_and_label_smoothing_are_of_training_alone_and_the_same_in_any_blocks() -> None:
    fields: dict[str, Any] = {
        "task": "copy", "parameters": tasks.load("copy", {"delay": 2}).parameters, "precision": "float64",
        "model": {"hidden": 3, "layers": 2},
    }  # fmt: skip
    plain, *regular = (
        a_run(a_spec(**fields, **changes))().curve
        for changes in (
            {},
            *({"dropout": 0.5, "input_dropout": 0.1, "label_smoothing": 0.2, "chunk": chunk} for chunk in (3, 4)),
        )
    )
    first, again = regular
    assert (first[0].loss, first[0].scores) == (plain[0].loss, plain[0].scores)
    assert first[1].train_loss != plain[1].train_loss
    assert [point.losses_sha256 for point in again] == [point.losses_sha256 for point in first]
    assert [point.loss for point in again] == [point.loss for point in first]
