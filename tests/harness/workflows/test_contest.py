"""A contest from start to end: who gets ready when, what ends it, and that no worker is left. Real processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.planning.contests import plan
from harness.presentation import contest_table
from harness.processes.channel import TimedOut
from harness.processes.contestant import Contestant
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec
from harness.workflows.contest import Contest, Settings, Start
from harness.workflows.speed import hold
from tests.fixtures.contests import SIZES, recorded
from tests.workers import started_here


def starts(*variants: str, backend: str = "madeup") -> dict[str, Start]:
    return {
        variant: partial(
            Contestant,
            SpeedSpec(
                backend=backend, variant=variant, threads=1, model=Model(hidden=5), batch=3, length=4, features=2
            ),
        )
        for variant in variants
    }


def test_a_contest_has_turns_of_each_round_and_reads_limits_where_asked(plugin: Path) -> None:
    told: list[str] = []
    with Contest(starts("good", "chatty"), Settings(4, 1e-9), limits=True, tell=told.append) as contest:
        contest.get_ready()
        assert len(started_here()) == 2
        contest.take_turns()
        contest.finish()
    assert contest.how == "ok"
    for contestant in contest.contestants.values():
        assert sorted(contestant.blocks) == [0, 1, 2, 3]
        assert contestant.heard.status == "ok"
    assert len({tuple(contestant.heard.affinity) for contestant in contest.contestants.values()}) == 1, "the same CPUs"
    assert [len(contestant.heard.limits) for contestant in contest.contestants.values()] == [3, 0], "one per backend"
    assert told[0] == "madeup good on cpu: starting"
    assert told[-1] == "madeup good on cpu: the machine's limits"
    assert not started_here()


def test_who_compiles_in_the_steady_state_is_lost_at_the_end_and_the_caller_is_told(plugin: Path) -> None:
    lost: dict[str, str | None] = {}
    with Contest(
        starts("recompiles", "good"), Settings(2, 1e-9), lost=lambda key, who: lost.update({key: who.heard.reason})
    ) as contest:
        contest.get_ready()
        contest.take_turns()
        assert not lost
        contest.finish()
    assert list(lost) == ["recompiles"]
    assert "compiled again in the steady state" in (lost["recompiles"] or "")


@pytest.mark.parametrize(
    ("error", "how"), [(TimedOut, "timeout"), (KeyboardInterrupt, "interrupted"), (ZeroDivisionError, "ok")]
)
def test_however_a_contest_is_left_no_worker_is(plugin: Path, error: type[BaseException], how: str) -> None:
    contest = Contest(starts("good", "hang"), Settings(2, 1e-9, starts=2))
    with pytest.raises(error), contest:  # noqa: PT012
        contest.contestants["good"] = contest._starts["good"](None)
        contest.contestants["good"].begin([0])
        assert started_here()
        raise error
    assert contest.how == how
    assert not started_here()


def test_what_the_caller_raises_over_a_lost_one_ends_the_contest(plugin: Path) -> None:
    def give_up(key: str, contestant: Contestant) -> None:
        raise LookupError(f"{key}: {contestant.heard.reason}")

    contest = Contest(starts("wrong", "good"), Settings(2, 1e-9), lost=give_up)
    with pytest.raises(LookupError, match="wrong: did not pass the gate"), contest:
        contest.get_ready()
    assert list(contest.contestants) == ["wrong"], "the other was never started"
    assert not started_here()


def test_several_get_ready_at_a_time_and_those_that_fail_are_rows(plugin: Path, tmp_path: Path) -> None:
    record = recorded(tmp_path, "madeup", ["good", "wrong", "killed", "late", "fused"], Settings(2, 1e-9, starts=3))
    assert {row.variant: row.status for row in record.contests[0].rows} == {
        "good": "ok", "wrong": "failed", "killed": "failed", "late": "failed", "fused": "ok",
    }  # fmt: skip
    assert record.starts == 3
    assert "with up to 3 contestants getting ready at a time" in " ".join(contest_table.legend(record))
    assert not started_here()


def test_no_more_get_ready_at_a_time_than_were_asked_for(plugin: Path) -> None:
    """The first never gets ready: who comes after those that may begin beside it has no process."""
    (bout,) = plan({"backend": "hanging", "variant": ["hang", "good", "late"], "threads": 1, **SIZES})
    for starts in (1, 2):
        held = hold(bout, Settings(1, 1e-9, timeout=4, starts=starts), lambda _: None)
        assert [entry.spec.variant for entry in held.contest.contestants] == ["hang", "good", "late"][:starts]
        assert [row.status for row in held.rows()] == ["timeout"] * 3


def test_one_that_takes_too_long_to_get_ready_is_a_row_and_the_others_go_on(plugin: Path, tmp_path: Path) -> None:
    settings = Settings(2, 1e-9, starts=2, ready_s=6)
    record = recorded(tmp_path, "hanging", ["hang", "good", "fused"], settings)
    found = {row.spec.variant: row for row in record.contests[0].rows}
    assert {name: row.status for name, row in found.items()} == {"hang": "timeout", "good": "ok", "fused": "ok"}
    assert found["hang"].reason == "not ready after 6 s (--ready)"
    assert found["hang"].figures is None
    assert len(found["good"].blocks) == 2
    assert not started_here()


def test_none_at_a_time_is_refused() -> None:
    with pytest.raises(UsageError, match="--starts must be at least 1, not 0"):
        Settings(starts=0)
