"""A study as people see it."""

from __future__ import annotations

from harness.presentation.study import Label, finished_line
from tests.harness.conftest import made_record


def test_a_run_is_named_by_what_the_study_varies() -> None:
    spec = made_record(backend="torch", cell="gru", seed=3).spec
    assert Label([]).of(spec) == "adding gru torch"
    assert Label(["backend", "task", "cell"]).of(spec) == "adding gru torch"
    assert Label(["seed", "lr", "seed"]).of(spec) == "adding gru torch seed 3 lr 0.005"
    assert Label(["clip", "parameter.length"]).of(spec) == "adding gru torch clip 1 length 100"
    assert Label(["weight_decay"]).of(spec) == "adding gru torch weight-decay 0"


def test_a_line_says_what_became_of_a_run() -> None:
    record = made_record()
    assert finished_line(3, 120, "a run", record).startswith("[  3/120] a run: mse 0.0")
    failed = made_record(status="failed", reason="it broke\nin two \x1b[31mlines")
    line = finished_line(1, 1, "a run", failed)
    assert line.startswith("[1/1] a run: failed: it broke")
    assert "\n" not in line
    assert "\x1b" not in line
    assert finished_line(1, 1, "a run", made_record(status="failed")) == "[1/1] a run: failed: no reason was given"
