"""Two specs side by side: what is said of the difference, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tasks
from harness.errors import CannotCompare, UsageError
from harness.planning.runs import plan
from harness.records.run import Record
from harness.specs.run import RunSpec
from harness.workflows.compare import Effort, compare, shape
from tests.workers import started_here

RecordFactory = Callable[..., Record]


@pytest.mark.parametrize(
    "effort",
    [
        {"restarts": 1}, {"pairs": 3}, {"block_s": 0.0}, {"block_s": 1e9}, {"pairs": 10**9},
        {"restarts": 10**8, "pairs": 10**8},
    ],
)  # fmt: skip
def test_too_little_to_tell_anything_is_refused_and_more_than_can_be_measured(effort: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Effort(**effort)  # type: ignore[arg-type]


def test_pairs_are_shared_among_the_restarts() -> None:
    assert Effort(pairs=11, restarts=4).rounds() == [3, 3, 3, 2]


def test_a_contestant_has_the_shape_of_the_run(make_record: RecordFactory) -> None:
    spec = make_record("copy").spec
    contestant = shape(spec)
    assert (contestant.batch, contestant.model, contestant.loss) == (spec.batch, spec.model, "cross-entropy")
    assert contestant.length == 2 * 10 + 20


def test_a_contestant_computes_the_runs_job_chunk_and_all(make_record: RecordFactory) -> None:
    """A fused variant compiles for a chunk: another chunk would be another program. Masks take their time, too."""
    spec = make_record("copy", layers=2).spec.model_copy(
        update={"chunk": 3, "dropout": 0.25, "input_dropout": 0.5, "label_smoothing": 0.1}
    )
    assert shape(spec).job() == spec.job(tasks.load(spec.task, spec.parameters, spec.seed))


def madeup(variant: str) -> RunSpec:
    return plan({"backend": "madeup", "task": "echo", "variant": variant, "threads": 1})[0]


def test_a_side_that_compiles_in_the_steady_state_cannot_be_compared(plugin: Path) -> None:
    with pytest.raises(CannotCompare, match=r"^B .*compiled again in the steady state"):
        compare(madeup("good"), madeup("recompiles"), Effort(pairs=2, restarts=2, block_s=1e-9), lambda _: None)
    assert not started_here()


def test_a_side_that_dies_between_its_turns_is_named_with_the_reason(plugin: Path) -> None:
    with pytest.raises(CannotCompare, match=r"^A .*exited with status 3"):
        compare(madeup("late"), madeup("good"), Effort(pairs=8, restarts=2, block_s=1e-9), lambda _: None)
    assert not started_here()


def harness(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "harness", "compare", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=240)


def test_live_workers_are_compared(tmp_path: Path) -> None:
    few = ["--pairs", "6", "--restarts", "2", "--block", "0.02", "--json", "--backend", "numpy", "--threads", "1"]
    done = harness("--a", "--hidden 16", "--b", "--hidden 192", *few, "--variant", "hoisted", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["time"]["ratio"] > 1.5
    assert found["time"]["pairs"] == 6
    assert found["variants"] == ["hoisted", "hoisted"]


@pytest.mark.parametrize(
    ("a", "says"),
    [
        ("--nonsense", "A: No such option"),
        ("--backend numpi", "did you mean 'numpy'"),
        ("--backend all", "A names 4 runs"),
        ("--backend numpy --lr 0.1 --lr 0.01", "A names 2 runs, which differ in optimizer.lr; a side is one spec"),
        ("--backend numpy --clip 1 --clip 2", "A: --clip is given twice"),
        ("--hidden 'x", "no command line"),
        ("--backend numpy --seeds 2", "need the same seeds"),
    ],
)
def test_words_that_cannot_be_right_are_told_in_one_line(tmp_path: Path, a: str, says: str) -> None:
    done = harness("--a", a, "--b", "--backend numpy", cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
