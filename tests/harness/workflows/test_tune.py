"""``harness tune``: which variant a contest speaks for, and the command from measuring to forgetting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness as python
from harness.errors import UsageError
from harness.machine.topology import Choice
from harness.planning.contests import BackendOnDevice, Contestant, PlannedContest
from harness.presentation.screen import drawn
from harness.presentation.tuned import of_choices, of_contests
from harness.records import tuned
from harness.records.base import Before
from harness.records.speed import Row
from harness.workflows import tune as tuning
from harness.workflows.quiet import Quiet
from harness.workflows.tune import Outcome, Tuning, outcome_of
from tests.conftest import Harness
from tests.fixtures.contests import SIZES, TINY
from tests.harness.conftest import made_contestant
from tests.harness.workflows.test_quiet import LOUD

NUMPY = BackendOnDevice("numpy", "cpu")
#: A contest of a few milliseconds, on whatever machine.
QUICK = ("--rounds", "3", "--block", "0.001", "--no-require-quiet")


def row(variant: str, ms: float, apart: float = 1.0, **changes: Any) -> Row:
    """Made up: a contestant whose rounds take ``ms`` and ``apart`` times as long by turns."""
    made = made_contestant("numpy", ms, rounds=6)
    blocks = [
        each.__class__(
            steps=each.steps, seconds=each.seconds * (apart if each.round % 2 else 1 / apart), round=each.round
        )
        for each in made.blocks
    ]
    spec = made.spec.model_copy(update={"variant": variant})
    return made.model_copy(update={"spec": spec, "variant": variant, "blocks": blocks, **changes})


def contest(*rows: Row, rule: str = "rule") -> PlannedContest:
    return PlannedContest("A", [Contestant(each.spec) for each in rows], {NUMPY: "stock"}, rules={NUMPY: rule})


def won(*rows: Row, rule: str = "rule", before: Before | None = None) -> Outcome:
    return outcome_of(contest(*rows, rule=rule), rows, before)


@pytest.mark.parametrize(
    ("rows", "winner", "tied"),
    [
        ([row("stock", 4), row("rule", 2), row("other", 1)], "other", False),
        ([row("stock", 4), row("rule", 1), row("other", 2)], "rule", False),
        ([row("stock", 4), row("rule", 2), row("other", 1.9, apart=1.5)], "rule", True),
        ([row("stock", 4), row("rule", 1.9), row("other", 2, apart=1.5)], "rule", True),
        ([row("stock", 4), row("rule", 2, status="failed"), row("other", 3)], "other", False),
        ([row("stock", 1), row("other", 2)], "stock", False),
    ],
)
def test_the_fastest_is_taken_unless_it_cannot_be_told_apart_from_the_rules(
    rows: list[Row], winner: str, tied: bool
) -> None:
    found = won(*rows)
    assert found.choice is not None
    assert (found.choice.variant, found.choice.tied) == (winner, tied)
    assert found.choice.of == sum(each.status == "ok" for each in rows)
    assert not found.failed


def test_a_choice_has_its_ratios() -> None:
    choice = won(row("stock", 4), row("rule", 2), row("other", 1)).choice
    assert choice is not None
    assert choice.over_rule is not None
    assert choice.over_stock is not None
    assert choice.over_rule == choice.over_next
    assert (choice.over_rule.median, choice.over_stock.median) == pytest.approx((2, 4))
    own = won(row("stock", 4), row("rule", 2)).choice
    assert own is not None
    assert own.over_rule is None
    assert own.over_next == own.over_stock


@pytest.mark.parametrize(("share", "disturbed"), [(0.5, True), (0.01, False), (None, False)])
def test_others_that_computed_before_it_mark_it(share: float | None, disturbed: bool) -> None:
    choice = won(row("rule", 2), row("other", 1), before=Before(share=share, over_s=1)).choice
    assert choice is not None
    assert choice.disturbed is disturbed
    notes = drawn(of_choices([choice]), width=100)
    assert ("others computed meanwhile" in notes) is disturbed


@pytest.mark.parametrize(
    ("rows", "says", "failed"),
    [
        ([row("only", 1), row("cannot", 1, status="unavailable", reason="no")], "only only computes it here", False),
        ([row("rule", 1), row("broken", 1, status="failed", reason="a fault")], "broken failed: a fault", True),
        ([row("rule", 1, status="unavailable", reason="not installed")], "not installed", True),
    ],
)
def test_fewer_than_two_leave_it_to_the_rule_and_say_why(rows: list[Row], says: str, failed: bool) -> None:
    found = won(*rows)
    assert found.choice is None
    assert (found.reason or "").startswith(says)
    assert found.failed is failed
    assert says in drawn(of_contests([found]), width=140)


def test_all_named_shapes_are_meant_unless_sizes_are_given(tuned_file: Path, plugin: Path) -> None:
    found = tuning.plan({"backend": ["numpy", "madeup"], "threads": 1})
    assert [each.name for each in found[::2]] == ["A", "B", "C", "D", "E", "F"]
    assert {each.spec.backend for each in found[0].contestants} == {"numpy"}
    one, own = tuning.plan({"backend": ["numpy", "madeup"], "hidden": "5", "threads": 1})
    assert one.name is None
    names = {each.spec.variant for each in own.contestants}
    assert "good" in names
    assert "fused" not in names, "auto ranks no variant that hands over several updates at once"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"shape": ["A"]}, "not by --shape"),
        ({"hidden": ["5"]}, "not by --hidden"),
        ({"backend": ["nunpy"]}, "numpy"),
        ({"cell": ["lstn"]}, "lstm"),
    ],
)
def test_what_cannot_be_forgotten_is_one_line(tuned_file: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tuning.forget(given)


def test_choices_are_forgotten_by_backend_cell_device_and_threads(tuned_file: Path) -> None:
    choice = won(row("rule", 2), row("other", 1)).choice
    assert choice is not None
    tuned.keep(choice)
    for other in ({"backend": ["torch"]}, {"cell": ["gru"]}, {"device": ["cuda"]}, {"threads": 7}, {"threads": "2,7"}):
        assert tuning.forget({"backend": ("all",), **other}) == 0
    assert tuning.forget({"backend": ["torch,numpy"], "cell": ["lstm"], "device": ["cpu"], "threads": [7, 1]}) == 1


def test_where_others_are_busy_nothing_is_measured(tuned_file: Path) -> None:
    contests = tuning.plan({"backend": "numpy", **SIZES, "threads": 1})
    found = tuning.tune(contests, tuning.settings(3, 0.001, None, None), Choice(), LOUD())
    assert (found.ok, found.outcomes, tuned_file.exists()) == (False, [], False)
    (problem,) = found.problems
    assert problem.startswith("not measured: others use 50 % of CPU")
    assert "--no-require-quiet measures all the same" in problem


def test_a_choice_that_cannot_be_kept_ends_it_with_a_line(tuned_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contests = tuning.plan({"backend": "numpy", **SIZES, "threads": 1})
    tuned_file.mkdir()
    found = tuning.tune(contests, tuning.settings(3, 0.001, None, None), Choice(), Quiet(look_s=0))
    assert not found.ok
    assert [str(tuned_file) in problem for problem in found.problems] == [True]
    assert repr(Tuning([], ["a line"])) == "a line"


def test_from_the_command_to_a_run_and_back(harness: Harness, tuned_file: Path) -> None:
    done = harness("tune", "--backend", "numpy", *TINY, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "auto takes" in done.stdout
    (choice,) = tuned.read()
    # whatever won here, the run below is of one that the rule does not take
    other = next(name for name in ("textbook", "hoisted") if name != choice.rule)
    tuned.keep(choice.model_copy(update={"variant": other, "disturbed": False, "tied": False}))
    assert other in harness("tune", "--show").stdout
    (line,) = harness("tune", "--show", "--json").stdout.splitlines()
    assert json.loads(line)["variant"] == other
    run = ("run", "--backend", "numpy", "--task", "adding", "--steps", "2", "--json", "-P", "length=4")
    sizes = ("--batch", "3", "--hidden", "5", "--threads", "1")
    record = json.loads(harness(*run, *sizes).stdout)
    assert record["spec"]["variant"] == "auto"
    assert record["variant"] == other
    assert record["variant_reason"] == f"fastest of {choice.of}, measured here {choice.created:%Y-%m-%d}"
    assert harness("tune", "--forget").stdout == "1 choice forgotten\n"
    assert "no tuned choices" in harness("tune", "--show").stderr
    again = harness(*run, *sizes, "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout == "", "a run that is done stays done, whatever auto would take by now"
    assert json.loads(harness(*run, *sizes, "--seed", "1").stdout)["variant"] == choice.rule


@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (("--show", "--forget"), {}, "give one of them"),
        (("--rounds", "2"), {}, "--rounds must be at least 3 to tell two variants apart"),
        ((), {"HARNESS_TUNED": ""}, "HARNESS_TUNED is empty"),
        (("--backend", "nunpy"), {}, "numpy"),
        (("--forget", "--threads", "two"), {}, "--threads takes whole numbers"),
    ],
)
def test_what_cannot_be_right_is_one_line(
    harness: Harness, tuned_file: Path, words: tuple[str, ...], env: dict[str, str], says: str
) -> None:
    done = harness("tune", *words, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_broken_file_is_told_in_one_line(harness: Harness, tuned_file: Path) -> None:
    tuned_file.write_text("{")
    done = harness("tune", "--show")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "no file of tuned choices" in done.stderr


def test_from_python(tuned_file: Path) -> None:
    found = python.tune(backend="numpy", **SIZES, threads=1, rounds=3, block=0.001, require_quiet=False)
    assert found.ok
    assert [each.choice for each in found.outcomes] == tuned.read()
    assert "auto takes" in repr(found)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_stopping_it_keeps_what_was_found_before(tuned_file: Path) -> None:
    """The second of two contests takes an hour."""
    program = (
        "import os, signal, threading, time\n"
        "from harness.workflows import tune\n"
        "from harness.records import tuned\n"
        "def stop():\n"
        "    while not tuned.read(): time.sleep(0.05)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=stop, daemon=True).start()\n"
        "from harness.cli import main; import sys\n"
        "main()\n"
    )
    words = ("tune", "--backend", "numpy", *TINY, "--hidden", "5,9", *QUICK)
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=120, env={**os.environ}
    )
    assert done.returncode == 1, done.stderr
    assert "interrupted; 1 of 2 contests not held" in done.stderr
    assert len(tuned.read()) == 1
