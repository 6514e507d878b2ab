"""Trying again: only what the machine is at fault for, and only so often."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.errors import UsageError
from harness.planning.runs import plan
from harness.records.run import Record, Try
from harness.workflows.trying import NO_ROOM, STOPPED, Tries, fault_of, given_up, statuses, tried
from tests.harness.conftest import made_record

KILLED = "the worker was killed by SIGKILL; the system may have run out of memory"


def attempt(reason: str) -> Try:
    return Try(ended=datetime(2026, 1, 1, tzinfo=UTC), node="a", reason=reason)


@pytest.mark.parametrize(
    ("status", "reason", "fault"),
    [
        ("failed", KILLED, True), ("failed", "the worker was killed by SIGTERM", True),
        ("failed", "the worker was killed by SIGSEGV", False), ("failed", "RuntimeError: it broke", False),
        ("timeout", "not finished after 2 s (--timeout)", False), ("interrupted", "stopped by the user", False),
        ("unavailable", "no torch", False), ("ok", None, False),
    ],
)  # fmt: skip
def test_only_a_worker_that_something_else_ended_is_a_fault(status: str, reason: str | None, fault: bool) -> None:
    assert bool(fault_of(made_record(status=status, reason=reason))) is fault


@pytest.mark.parametrize(("faults", "most", "made"), [(0, 3, 1), (2, 3, 3), (9, 3, 4), (9, 0, 1)])
def test_a_run_is_tried_again_at_most_so_often(faults: int, most: int, made: int) -> None:
    calls = 0

    def run() -> tuple[Record, bool]:
        nonlocal calls
        calls += 1
        return (made_record(status="failed", reason=KILLED) if calls <= faults else made_record()), True

    record, saved = tried(run, most)
    assert (calls, len(record.tries), saved) == (made, made - 1, True)
    assert record.status == ("ok" if faults < made else "failed")
    assert {each.reason for each in record.tries} <= {KILLED}


def test_neither_who_stops_it_nor_a_full_disk_of_former_calls_ends_the_tries() -> None:
    assert not Tries(1, [attempt(STOPPED), attempt(f"{NO_ROOM}: no space"), attempt(KILLED)]).exhausted
    assert Tries(1, [attempt(KILLED), attempt(KILLED)]).exhausted
    assert Tries(0, [attempt(KILLED)]).exhausted
    assert not Tries(0).exhausted


def test_a_run_that_is_given_up_says_how_often_it_was_tried() -> None:
    (spec,) = plan({"backend": "numpy", "threads": 1})
    record = given_up(spec, [attempt("x" * 1000)], None)
    assert (record.status, len(record.tries)) == ("failed", 1)
    assert str(record.reason).startswith("given up after 1 try, all ended by faults of the machine; the last: xxx")
    twice = given_up(spec, [attempt("a"), attempt("b")], None)
    assert str(twice.reason).endswith("after 2 tries, all ended by faults of the machine; the last: b")


@pytest.mark.parametrize(
    ("text", "found"),
    [(None, []), ("failed", ["failed"]), (" timeout , failed", ["timeout", "failed"]), ("interrupted", [])],
)
def test_the_statuses_to_retry(text: str | None, found: list[str]) -> None:
    assert statuses(text) == found


@pytest.mark.parametrize("text", ["", "ok", "faild", "failed,", "failed timeout", "\x1b[31m"])
def test_a_word_that_is_no_status_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--retry: unknown status "):
        statuses(text)
