"""Claims are measured by what the harness has, once, and decided; what cannot run here says what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

import backends
from harness.errors import UsageError
from harness.records.claim import ClaimRecord
from harness.records.store import read_all
from harness.specs.claim import RatioRule
from harness.specs.claim_file import files, read
from harness.workflows import compare, parity, speed
from harness.workflows.claims import of_studies
from harness.workflows.claims.deciding import decide, newest, plan_line, read_claims
from harness.workflows.claims.measurement import Asked
from tests.conftest import ROOT

HEAD = """statement = "One."
otherwise = "Two."
minutes = 0.1

[source]
who = "Somebody"
folklore = true
hardware = "an abacus"
"""
TINY = 'backend = "numpy"\ntask = "adding"\nhidden = 4\nthreads = 1\nparameter = { length = 5 }\n'
STUDY = f"""{HEAD}
[study.fixed]
{TINY}steps = 20
evaluate-every = 10

[study.axes]
seed = "0-1"

[study.also]
chrono = 5

[[rule]]
kind = "share"
of = {{ also = true }}
level = "mse < 0.01"
below = 0.5

[[rule]]
kind = "mean"
of = {{ also = false }}
score = "loss"
above = 0

[[rule]]
kind = "steps"
of = {{ also = false }}
to = {{ also = true }}
level = "mse < 0.01"
above = 1

[[rule]]
kind = "spread"
of = {{ also = false }}
level = "mse < 0.01"
above = 2
"""
SPEED = f"""{HEAD}
[speed]
backend = "numpy"
variant = ["textbook", "hoisted"]
batch = 2
length = 4
features = 2
hidden = [4]
threads = 1
rounds = 3
block = 0.01

[[rule]]
kind = "ratio"
of = "numpy:hoisted"
to = "numpy:textbook"
above = 0.001
"""
COMPARE = f"""{HEAD}
[compare]
pairs = 4
restarts = 2
block = 0.01

[compare.fixed]
{TINY}
[compare.a]
cell = "gru"

[compare.b]
cell = "lstm"

[[rule]]
kind = "ratio"
of = "a"
to = "b"
above = 0.000001
"""
PARITY = f"""{HEAD}
[parity]
updates = 6

[parity.fixed]
{TINY}
[parity.axes]
variant = ["textbook", "hoisted"]

[[rule]]
kind = "drift"
at = 5
below = 0.1
"""


def _decided(folder: Path, text: str, recorded: bool = False) -> ClaimRecord:
    (folder / "one.toml").write_text(text)
    claim = read(folder / "one.toml", folder / "results")
    record, path = decide(claim, Asked(recorded=recorded), folder / "results")
    assert read_all([path]).claims == [record]
    return record


def test_a_study_decides_by_four_kinds_of_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _decided(tmp_path, STUDY)
    assert [figure.rule for figure in found.figures] == [0, 1, 2, 3]
    assert [figure.count for figure in found.figures] == [2, 2, 2, 2]
    by_rule = [figure.verdict for figure in found.figures]
    # of 2 seeds no share can be told; no run got to the level, so that neither end of the ratio is known
    assert [by_rule[0], *by_rule[2:]] == ["cannot be told"] * 3
    assert (found.figures[2].low, found.figures[2].high) == (0, None)
    assert "chrono 5" in found.figures[0].what
    assert "without chrono 5" in found.figures[1].what
    runs = read_all([tmp_path / "results"]).records
    assert {each.digest for each in found.evidence} == {run.digest for run in runs}
    assert len(runs) == 4
    assert found.scope.startswith("claimed on an abacus; here ")

    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(of_studies, "run_study", nothing)
    assert _decided(tmp_path, STUDY) == found
    with_more = STUDY.replace('"0-1"', '"0-2"')
    assert "2 runs of its study that nobody has recorded" in _decided(tmp_path, with_more, recorded=True).why
    with pytest.raises(UsageError, match="unknown level 'mse < 1'"):
        _decided(tmp_path, STUDY.replace('level = "mse < 0.01"\nabove = 2', 'level = "mse < 1"\nabove = 2'))
    with pytest.raises(UsageError, match="unknown claim 'two'; known: one"):
        read_claims(["two"], tmp_path, tmp_path)


@pytest.mark.parametrize(("kind", "text"), [("speed", SPEED), ("compare", COMPARE), ("parity", PARITY)])
def test_other_measurements_decide_and_are_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, text: str
) -> None:
    found = _decided(tmp_path, text)
    assert found.figures[0].value is not None
    # one pair of curves, or two pairs of processes, leave the interval open, or wide
    assert found.verdict in (("cannot be told",) if kind == "parity" else ("holds here", "cannot be told"))
    assert len(found.evidence) == (kind == "speed")
    assert len(found.compared) == (kind == "compare")
    assert [len(curve.losses) for curve in found.curves] == ([6, 6] if kind == "parity" else [])

    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(speed, "hold_all", nothing)
    monkeypatch.setattr(compare, "compare", nothing)
    monkeypatch.setattr(parity, "measure", nothing)
    assert _decided(tmp_path, text) == found
    assert plan_line(read(tmp_path / "one.toml", tmp_path / "results")).startswith("one: ")
    assert newest([tmp_path]) == {"one": found}
    assert read_all([tmp_path / "results"]).problems == []  # what is kept beside records is none


def test_what_cannot_run_here_says_what_it_takes(tmp_path: Path) -> None:
    found = _decided(tmp_path, f'{HEAD}\n[needs]\ngpu = true\nmissing = ["a cell"]\n')
    assert (found.verdict, found.figures) == ("cannot run here", [])
    assert found.needs[0] == "a cell"
    assert "it needs a cell" in found.why
    assert found.scope.startswith("claimed on an abacus; here ")


@pytest.mark.parametrize("path", files(ROOT / "results" / "claims"), ids=lambda path: path.stem)
def test_what_a_claim_of_this_project_asks_for_exists(path: Path, tmp_path: Path) -> None:
    """Where variants are named their backends are not asked, which would import frameworks: their registries are."""
    claim = read(path, tmp_path)
    speed = claim.speed or {}
    named = [word for rule in claim.rules if isinstance(rule, RatioRule) for word in (rule.of, rule.to) if ":" in word]
    named += [f"{speed['backend']}:{word}" for word in speed.get("variant", []) if ":" not in word]
    for side in (claim.compare.a, claim.compare.b) if claim.compare else ():
        named += [f"{side.fixed['backend']}:{side.fixed['variant']}"] if "variant" in side.fixed else []
    for axes in claim.parity.study.zipped if claim.parity else ():
        named += [":".join(pair) for pair in zip(axes["backend"], axes["variant"], strict=True)]
    for backend, variant in (word.split(":") for word in named):
        assert variant in [entry.name for entry in backends.load(backend).registry]
    if claim.measurement and not named:
        assert plan_line(claim).startswith(f"{claim.id}: ")
