"""A look before measuring: when it waits, what it says, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import CannotCompare, UsageError
from harness.machine.others import Reading
from harness.machine.topology import Choice
from harness.planning.contests import plan
from harness.records.resume import key_of
from harness.records.store import Store
from harness.workflows import compare as comparing
from harness.workflows import quiet as quiet_module
from harness.workflows import verify as verifying
from harness.workflows.contest import Settings
from harness.workflows.quiet import LOOK_S, NotQuiet, Quiet
from harness.workflows.run import run_each
from harness.workflows.speed import hold_all
from tests.conftest import Harness
from tests.fixtures.contests import SIZES, NoStore
from tests.harness.conftest import made_record
from tests.harness.machine.test_others import LINUX

CPU = Choice().of(1).cpus[0]
ONE = Choice([CPU])


class Machine:
    """A machine with a clock of its own, on which others take a share of each CPU."""

    def __init__(self, *shares: float) -> None:
        """``shares``: in each next second; the last one from then on."""
        self.shares, self.now, self.slept, self.read_at = shares, 100.0, 0.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    def busy(self) -> float:
        done, last = 0.0, self.now - 100
        for second, share in enumerate([*self.shares, *[self.shares[-1]] * (int(last) + 1)]):
            done += share * min(max(last - second, 0.0), 1.0)
        return done

    def read(self, at_s: float) -> Reading:
        self.read_at.append(at_s)
        busy = self.busy()
        return Reading(at_s, dict.fromkeys(range(1024), busy), 0.0, {(7, 1): busy}, {(7, 1): "cc1\x1b"})

    def quiet(self, **settings: Any) -> tuple[Quiet, list[str]]:
        told: list[str] = []
        found = Quiet(tell=told.append, read=self.read, clock=lambda: self.now, sleep=self.sleep, **settings)
        return found, told


def test_a_quiet_machine_costs_one_look_and_says_nothing() -> None:
    machine = Machine(0.04)
    quiet, told = machine.quiet(wait_s=60, require=True)
    before = quiet.before(ONE, 1)
    assert before is not None
    assert (before.share, before.over_s, before.waited_s) == (pytest.approx(0.04), LOOK_S, 0)
    assert before.busiest == {"cc1": pytest.approx(0.04)}
    assert (machine.slept, told) == (LOOK_S, [])


def test_a_loud_one_is_told_once_until_it_was_quiet_again() -> None:
    machine = Machine(*[0.5] * 10, *[0.0] * 10, 0.9)
    quiet, told = machine.quiet()
    for _ in range(20):
        before = quiet.before(ONE, 1)
        machine.now += 2  # a run
        assert before is not None
        assert not before.refused
    assert len(told) == 2
    assert told[0] == (
        f"others use 50 % of CPU {CPU} (cc1 50 % of a CPU): what is measured now is disturbed (--wait-quiet SECONDS "
        "waits for quiet)"
    )


@pytest.mark.parametrize(("run_s", "looks"), [(1.0, 1), (0.2, 7), (9.0, 1), (11.0, 10)])
def test_a_look_before_each_run_costs_no_more_than_a_small_part_of_it(run_s: float, looks: float) -> None:
    """After a short run the counters since the last look say enough; a look of its own comes after a long one only."""
    machine = Machine(0.0)
    quiet, _ = machine.quiet()
    for _ in range(10):
        quiet.before(ONE, 1)
        machine.now += run_s
    assert machine.slept == pytest.approx(LOOK_S * looks, abs=0.5)
    assert machine.slept <= LOOK_S + 9 * max(run_s / 20, LOOK_S - run_s) + 0.01


@pytest.mark.parametrize(
    ("taken_s", "all_cpus", "slept_s"), [(2, True, 0), (0.25, True, 0.25), (2, False, LOOK_S), (11, True, LOOK_S)]
)
def test_the_first_look_begins_with_the_command_where_all_cpus_are_used(
    taken_s: float, all_cpus: bool, slept_s: float
) -> None:
    machine = Machine(0.5)
    begun = machine.read(machine.now)
    if all_cpus:
        begun = replace(begun, busy_s={CPU: begun.busy_s[CPU]})
    machine.now += taken_s
    quiet, _ = machine.quiet(begun=begun)
    before = quiet.before(ONE, 1)
    assert before is not None
    assert (before.share, machine.slept) == (pytest.approx(0.5), pytest.approx(slept_s))
    quiet.before(ONE, 1)
    assert machine.slept == pytest.approx(slept_s + LOOK_S)


def test_what_was_measured_on_other_cpus_says_nothing_of_these() -> None:
    machine = Machine(0.0)
    quiet, _ = machine.quiet()
    quiet.before(ONE, 1)
    machine.now += 2
    quiet.before(Choice([CPU + 1]), 1)
    assert machine.slept == 2 * LOOK_S


def test_quiet_is_waited_for_and_no_longer_than_was_asked() -> None:
    machine = Machine(0.5, 0.5, 0.5, 0.0)
    quiet, told = machine.quiet(wait_s=60)
    before = quiet.before(ONE, 1)
    assert before is not None
    assert (before.share, before.waited_s) == (0, pytest.approx(3.5))
    assert [line.endswith("; waiting for quiet, 60 s at most") for line in told] == [True]
    machine = Machine(0.5)
    quiet, told = machine.quiet(wait_s=2)
    before = quiet.before(ONE, 1)
    assert before is not None
    assert (before.share, before.waited_s) == (0.5, pytest.approx(2))
    assert len(told) == 2
    assert "what is measured now is disturbed" in told[1]
    with pytest.raises(NotQuiet, match=r"^not measured: others use 50 % of CPU .*, after 3 s of waiting \(--require-q"):
        Machine(0.5).quiet(wait_s=3, require=True)[0].before(ONE, 1)


def test_while_it_waits_cpus_are_chosen_again_unless_something_was_measured_on_them() -> None:
    again: list[bool] = []

    class Watched(Choice):
        def again(self) -> None:
            again.append(True)

    for fixed in (True, False):
        Machine(0.5, 0.0).quiet(wait_s=9)[0].before(Watched([CPU]), 1, fixed=fixed)
        assert bool(again) is not fixed


def test_where_the_system_does_not_say_nothing_is_said_and_quiet_cannot_be_required() -> None:
    told: list[str] = []
    settings: dict[str, Any] = {"read": lambda _: None, "tell": told.append, "wait_s": 60}
    assert Quiet(**settings).before(ONE, 1) is None
    with pytest.raises(NotQuiet, match="this system does not say what others compute, so quiet") as refused:
        Quiet(require=True, **settings).before(ONE, 1)
    assert (refused.value.before.share, refused.value.before.refused) == (None, True)
    assert told == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"look": 0.0, "require_quiet": True}, "--require-quiet needs a look at what others compute, and --look 0"),
        ({"look": 61.0}, "--look is from 0 to 60 seconds, not 61"),
        ({"look": 1.0, "wait_quiet": float("nan")}, "--wait-quiet is from 0 to 604,800 seconds, not nan"),
        ({}, "HARNESS_LOOK: 'soon' is no number of seconds"),
    ],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], says: str) -> None:
    monkeypatch.setenv("HARNESS_LOOK", "soon")
    with pytest.raises(UsageError, match=says):
        Quiet.asked(**given)


def test_the_look_is_half_a_second_or_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Quiet.asked().look_s == 0
    assert Quiet.asked().before(ONE, 1) is None
    assert Quiet.asked(require_quiet=True).look_s == Quiet.asked(wait_quiet=1).look_s == LOOK_S
    assert Quiet.asked(look=0).look_s == 0
    monkeypatch.delenv("HARNESS_LOOK")
    assert Quiet.asked().look_s == LOOK_S


LOUD: Callable[[], Quiet] = lambda: Machine(0.5).quiet(require=True)[0]  # noqa: E731


def test_each_command_that_measures_records_that_it_was_refused(tmp_path: Path) -> None:
    """Before any worker starts."""
    record = made_record(backend="numpy", variant="hoisted")
    (run,) = run_each([record.spec], None, None, quiet=LOUD()).records
    assert (run.status, run.metrics) == ("unavailable", None)
    assert run.reason is not None
    assert run.reason.startswith("not measured: others use 50 % of CPU")
    assert run.before is not None
    assert run.before.refused
    assert key_of(run) is None, "it is still to be done"
    assert key_of(run.model_copy(update={"before": None})) is not None
    contests = plan({"backend": "numpy", "variant": ["hoisted", "textbook"], "threads": 1, **SIZES})
    speed, well = hold_all(contests, Settings(2, 1e-3), NoStore(), quiet=LOUD())
    assert not well
    assert {row.status for row in speed.contests[0].rows} == {"unavailable"}
    assert speed.contests[0].before is not None
    assert speed.contests[0].before.refused
    with pytest.raises(CannotCompare, match="not measured: others use"):
        comparing.compare(record.spec, record.spec, comparing.Effort(2, 2), lambda _: None, quiet=LOUD())
    Store(tmp_path).write(record)
    rows, _ = verifying.verify_all([tmp_path], 60, None, json_lines=True, quiet=LOUD())
    assert rows[0].judgement.verdict == "cannot run"
    assert rows[0].judgement.why.startswith("not measured: others use")


@pytest.fixture
def busy() -> Iterator[None]:
    """A process that computes on the CPU and is no child of this one."""
    program = f"import os\nos.sched_setaffinity(0, [{CPU}])\nwhile True: pass"
    started = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" >/dev/null 2>&1 & echo $!', sys.executable, program], capture_output=True, text=True
    )
    yield
    os.kill(int(started.stdout), 9)


@LINUX
def test_a_run_beside_a_busy_process_is_refused_or_says_so(
    busy: None, harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_LOOK")
    words = ("run", "--backend", "numpy", "--variant", "hoisted", "--steps", "4", "--threads", "1", "--cpus", str(CPU))
    done = harness(*words, "--require-quiet", "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"], record["before"]["refused"]) == (1, "unavailable", True)
    assert record["reason"].startswith("not measured: others use ")
    assert any(name.startswith("python") for name in record["before"]["busiest"])
    done = harness(*words, "--json")
    record = json.loads(done.stdout)
    assert (done.returncode, record["status"]) == (0, "ok")
    assert record["before"]["share"] > quiet_module.LOUD
    assert done.stderr.startswith("harness: others use ")
    assert "python" in done.stderr.splitlines()[0]


def test_from_python_the_options_are_the_same(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--require-quiet needs a look"):
        harness.run(require_quiet=True, look=0, results=tmp_path)
    with pytest.raises(UsageError, match="look, wait_quiet and require_quiet are for both sides"):
        harness.compare({"require_quiet": True}, {}, backend="numpy")
    with pytest.raises(UsageError, match="--wait-quiet needs a look"):
        harness.verify(tmp_path, wait_quiet=1, look=0)
