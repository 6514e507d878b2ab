"""The worker's side of a contest, without a process: turns in chunks, orders and their answers."""

from __future__ import annotations

from typing import Any

import pytest

import backends
from backends.parameters import InitialisationSpec, initial
from harness.analysis.disturbance import flags
from harness.errors import RunFailed
from harness.protocol import (
    Armed,
    BlockDone,
    Disturbance,
    Event,
    Finish,
    Limits,
    Order,
    Peaks,
    ReadLimits,
    Steady,
    Turn,
)
from harness.records.base import Noise
from harness.specs.base import Model
from harness.specs.speed import Measure, SpeedSpec
from harness.worker import noise
from harness.worker.contestant import READINGS, TURNS, StagedTrainer, _counted, _follow, draw
from harness.worker.gate import check_prediction
from harness.worker.preparation import Memory

SPEC = SpeedSpec(
    backend="numpy", variant="hoisted", threads=1, model=Model(hidden=5), batch=3, length=4, features=2, chunk=4
)
BACKEND = backends.load("numpy")


def a_trainer(whole: bool = False) -> StagedTrainer:
    job = SPEC.job()
    return StagedTrainer(SPEC, job, BACKEND.trainer(job, initial(job.model, InitialisationSpec(), 0)), whole)


def counted(staged: StagedTrainer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The updates of each call that the trainer gets."""
    calls: list[int] = []
    train = staged.trainer.train

    def counting(batches: Any) -> Any:
        calls.append(len(batches))
        return train(batches)

    monkeypatch.setattr(staged.trainer, "train", counting)
    return calls


@pytest.mark.parametrize(("whole", "steps", "calls"), [(False, 8, [1, 4, 4]), (False, 3, [1, 3]), (True, 8, [4, 4, 4])])
def test_a_turn_is_handed_over_in_chunks_after_a_call_that_is_not_timed(
    monkeypatch: pytest.MonkeyPatch, whole: bool, steps: int, calls: list[int]
) -> None:
    staged = a_trainer(whole)
    made = counted(staged, monkeypatch)
    assert staged.turn(steps) > 0
    assert made == calls
    with pytest.raises(RunFailed, match="6 updates are no whole number of chunks of 4"):
        staged.turn(6)


def test_the_first_call_is_one_update_or_a_whole_chunk() -> None:
    assert [a_trainer(whole).first()[0] for whole in (False, True)] == [1, 4]


@pytest.mark.parametrize(("measure", "called"), [("predict", "predict"), ("predict-resident", "predict_staged")])
def test_a_turn_of_predictions_makes_no_update_and_looks_at_the_outputs(
    monkeypatch: pytest.MonkeyPatch, measure: Measure, called: str
) -> None:
    spec = SPEC.model_copy(update={"measure": measure})
    trainer = a_trainer().trainer
    staged = TURNS[measure](spec, spec.job(), trainer, whole=False)
    before, calls, predict = trainer.parameters(), list[int](), getattr(trainer, called)

    def counting(*given: Any) -> Any:
        calls.append(1)
        return predict(*given)

    monkeypatch.setattr(trainer, called, counting)
    assert staged.turn(4) > 0
    assert len(calls) == 1 + 4, "the first is not timed"
    assert all((trainer.parameters()[name] == array).all() for name, array in before.items())
    counted = _counted(spec, spec.job(), trainer)
    assert 2 < a_count("flops_per_step") / counted["flops_per_step"] < 3
    assert a_count("dependent_steps") == 2 * counted["dependent_steps"]
    assert a_count("bytes_per_step") > counted["bytes_per_step"]
    monkeypatch.setattr(trainer, "fetch", lambda outputs: [float("nan")])
    with pytest.raises(RunFailed, match="an output is not finite"):
        staged.turn(1)


def a_count(name: str) -> int:
    """Of an update."""
    found: int = _counted(SPEC, SPEC.job(), a_trainer().trainer)[name]
    return found


def test_predictions_that_are_not_the_references_pass_no_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    job = SPEC.job()
    start = initial(job.model, InitialisationSpec(), 0)
    check_prediction(BACKEND, job, lambda index, size: draw(SPEC, index, size), start)
    monkeypatch.setattr("backends.numpy.trainer.NumpyTrainer.fetch", lambda self, outputs: outputs[0] * 1.1)
    with pytest.raises(RunFailed, match=r"gate: predictions are 0\.1 apart from the reference"):
        check_prediction(BACKEND, job, lambda index, size: draw(SPEC, index, size), start)


def answers(*orders: Order, compilations: int = 0) -> list[Event]:
    heard: list[Event] = []
    staged = a_trainer()
    counts = iter([0, compilations])
    staged.trainer.compilations = lambda: next(counts)  # type: ignore[method-assign]
    _follow(iter(orders), staged, BACKEND, Memory(staged.trainer), heard.append)
    return heard


def test_each_order_has_its_answer() -> None:
    armed, block, limits, disturbed, peaks = answers(Steady(), Turn(4), ReadLimits(), Finish(), Turn(4))
    assert isinstance(disturbed, Disturbance)
    assert Noise(**disturbed.noise).paused_s == 0
    assert armed == Armed()
    assert isinstance(block, BlockDone)
    assert (block.steps, block.seconds > 0) == (4, True)
    assert isinstance(limits, Limits)
    assert limits.readings is not None
    assert {len(readings) for readings in limits.readings.values()} == {READINGS}
    assert isinstance(peaks, Peaks)
    assert peaks.compilations == 0


def test_what_disturbed_it_is_counted_in_its_turns_and_from_steady_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others use a CPU in between all of the time, and in its turns a quarter of it."""
    outside = iter([0.0, 9.0, 20.0, 20.25, 30.0, 30.25])
    walls = iter([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    monkeypatch.setattr(noise, "read", lambda _: noise.Counters(next(walls), 0.0, None, 0.0, next(outside), 0))
    staged = a_trainer()
    staged.turn(1)
    assert staged.disturbed().outside_share == 9
    staged.steady()
    for _ in range(2):
        staged.turn(1)
    found = staged.disturbed()
    assert found.outside_share == 0.25
    assert found.involuntary_switches_per_s is None
    assert flags(found) == ["load"]


def test_what_compiles_after_steady_is_told_after_the_peaks() -> None:
    with pytest.raises(RunFailed, match="compiled again in the steady state"):
        answers(Steady(), Finish(), compilations=1)


def test_batches_are_the_same_bits_for_everyone() -> None:
    first, again, other = draw(SPEC, 0, 3), draw(SPEC, 0, 3), draw(SPEC, 1, 3)
    assert (first.x == again.x).all()
    assert not (first.x == other.x).all()
