"""The worker's side of a contest, without a process: turns in chunks, orders and their answers."""

from __future__ import annotations

from typing import Any

import pytest

import backends
from backends.parameters import InitialisationSpec, initial
from harness.errors import RunFailed
from harness.protocol import Armed, BlockDone, Event, Finish, Limits, Order, Peaks, ReadLimits, Steady, Turn
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec
from harness.worker.contestant import READINGS, StagedTrainer, _follow, draw
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


def answers(*orders: Order, compilations: int = 0) -> list[Event]:
    heard: list[Event] = []
    staged = a_trainer()
    counts = iter([0, compilations])
    staged.trainer.compilations = lambda: next(counts)  # type: ignore[method-assign]
    _follow(iter(orders), staged, BACKEND, Memory(staged.trainer), heard.append)
    return heard


def test_each_order_has_its_answer() -> None:
    armed, block, limits, peaks = answers(Steady(), Turn(4), ReadLimits(), Finish(), Turn(4))
    assert armed == Armed()
    assert isinstance(block, BlockDone)
    assert (block.steps, block.seconds > 0) == (4, True)
    assert isinstance(limits, Limits)
    assert limits.readings is not None
    assert {len(readings) for readings in limits.readings.values()} == {READINGS}
    assert isinstance(peaks, Peaks)
    assert peaks.compilations == 0


def test_what_compiles_after_steady_is_told_after_the_peaks() -> None:
    with pytest.raises(RunFailed, match="compiled again in the steady state"):
        answers(Steady(), Finish(), compilations=1)


def test_batches_are_the_same_bits_for_everyone() -> None:
    first, again, other = draw(SPEC, 0, 3), draw(SPEC, 0, 3), draw(SPEC, 1, 3)
    assert (first.x == again.x).all()
    assert not (first.x == other.x).all()
