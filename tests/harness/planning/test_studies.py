"""From a study file to its runs: the product of its axes but for what is excluded, each once."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import backends
from harness.errors import UsageError
from harness.planning.studies import Planned, runs_of
from harness.specs.study import read

FIXED = '[fixed]\nbackend = "numpy"\nthreads = 1\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def planned(text: str, **limits: int) -> list[Planned]:
    Path("s.toml").write_text(text)
    return runs_of(read(Path("s.toml")), **limits)


def said(run: Planned) -> dict[str, Any]:
    """What the axes of these tests decide, of a run."""
    spec = run.spec
    return {
        "seed": spec.seed, "hidden": spec.model.hidden, "lr": spec.optimizer.lr, "clip": spec.optimizer.clip or 0,
        "bidirectional": spec.model.bidirectional, "length": spec.parameters["length"],
    }  # fmt: skip


POOL: dict[str, list[Any]] = {
    "seed": [0, 1, 2], "hidden": [3, 4], "lr": [1e-3, 0.01, 1.0], "clip": [0, 1], "bidirectional": [True, False],
    "length": [10, 20],
}  # fmt: skip
DEFAULT = {"seed": 0, "hidden": 32, "lr": 0.005, "clip": 1.0, "bidirectional": False, "length": 30}


def some(names: list[str], least: int = 1) -> st.SearchStrategy[dict[str, list[Any]]]:
    """Axes with some of their values, of which one may be there twice."""
    axes = {name: st.lists(st.sampled_from(POOL[name]), min_size=1, max_size=3) for name in names}
    return st.lists(st.sampled_from(names), min_size=least, max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({name: axes[name] for name in chosen})
    )


@st.composite
def studies(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """A study's text, and all its combinations as this test multiplies them."""
    axes = draw(some(list(POOL)))
    zipped: dict[str, list[Any]] = {}
    if rest := [name for name in POOL if name not in axes]:
        length = draw(st.integers(1, 3))
        chosen = draw(st.lists(st.sampled_from(rest), max_size=2, unique=True))
        zipped = {
            name: draw(st.lists(st.sampled_from(POOL[name]), min_size=length, max_size=length)) for name in chosen
        }
    combinations = [DEFAULT | dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    if zipped:
        together = [dict(zip(zipped, values, strict=True)) for values in zip(*zipped.values(), strict=True)]
        combinations = [each | more for each in combinations for more in together]
    left_out = [draw(st.sampled_from(combinations)) for _ in range(draw(st.integers(0, 2)))]
    names = [draw(st.lists(st.sampled_from(list(POOL)), min_size=1, max_size=2, unique=True)) for _ in left_out]
    excluded = [{name: [each[name]] for name in of} for each, of in zip(left_out, names, strict=True)]
    left = [each for each in combinations if not any(all(each[n] in v for n, v in out.items()) for out in excluded)]
    text = FIXED + table("axes", axes) + (table("zip", zipped, many=True) if zipped else "")
    return text + "".join(table("exclude", each, many=True) for each in excluded), left


def table(name: str, axes: dict[str, list[Any]], many: bool = False) -> str:
    lines = [f"{'parameter.length' if key == 'length' else key} = {values}" for key, values in axes.items()]
    return f"{'[[' if many else '['}{name}{']]' if many else ']'}\n" + "\n".join(lines).lower() + "\n"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(studies())
def test_the_runs_are_the_product_without_what_is_excluded_each_once(made: tuple[str, list[dict[str, Any]]]) -> None:
    text, combinations = made
    wanted = {_plain(each) for each in combinations}
    if not wanted:
        with pytest.raises(UsageError, match=r"^s\.toml: every run is excluded$"):
            planned(text)
        return
    runs = planned(text)
    assert sorted(_plain(said(run)) for run in runs) == sorted(wanted)
    assert len({run.key for run in runs}) == len(runs)
    assert [run.key for run in runs] == [run.key for run in planned(text)]


def _plain(combination: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    return tuple((name, float(value)) for name, value in sorted(combination.items()))


def test_all_stands_for_every_backend_and_versions_for_themselves() -> None:
    runs = planned('[axes]\nbackend = ["numpy@2.1.0", "numpy@2.2.0", "torch"]\n[[exclude]]\nbackend = "numpy@2.1.0"')
    assert [(run.spec.backend, run.version) for run in runs] == [("numpy", "2.2.0"), ("torch", None)]
    assert len({run.key for run in planned('[axes]\nbackend = "all"\ntask = ["adding", "copy"]')}) == 2 * len(
        backends.registry.names()
    )


def test_task_parameters_multiply_are_zipped_and_are_excluded() -> None:
    text = (
        FIXED
        + '[axes.parameter]\nlength = [10, 20]\n[[zip]]\nseed = "0-1"\nparameter.markers = ["halves", "anywhere"]\n'
    )
    text += "[[exclude]]\nseed = 1\nparameter.length = 10\n"
    found = [(run.spec.parameters["length"], run.spec.parameters["markers"], run.spec.seed) for run in planned(text)]
    assert found == [(10, "halves", 0), (20, "halves", 0), (20, "anywhere", 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[axes]\nseed = "0-9999999"', r"10,000,000 runs, more than 100,000; --limit allows more$"),
        ('[axes]\nseed = "0-99999999999"', r"100,000,000,000 runs, more than"),
        ('[axes]\nseed = "0-9999"\nhidden = "1-1000"', r"10,000,000 runs \(10,000 × 1,000\), more than"),
        ('[axes]\nseed = "0-9999"\ncell = "all"', r"40,000 runs \(10,000 × 4\), more than 20,000"),
        ("[[zip]]\nseed = [0, 1, 2]\nhidden = [4, 5, 6]\n[axes]\nlr = [1, 2]", r"6 runs \(2 × 3\), more than 5"),
    ],
)
def test_too_many_runs_are_counted_and_refused_at_once(text: str, message: str) -> None:
    limit = 5 if "zip" in text else 20_000 if "cell" in text else 100_000
    with pytest.raises(UsageError, match=r"^s\.toml: " + message):
        planned(FIXED + text, limit=limit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[axes]\nseed = "0-1"\n[[exclude]]\nseed = 1\n[[exclude]]\nseed = 7',
            r"s\.toml, line 8: this exclusion is of no run",
        ),
        ('[[exclude]]\nbackend = "nump"', r"s\.toml, line 4: this exclusion is of no run"),
        ("[axes]\nhidden = [-1]", r"s\.toml: model\.hidden: input should be greater than or equal to 1, not -1"),
        ("[axes]\nlr = [1.0, inf]", r"s\.toml: optimizer\.lr: input should be a finite number, not inf"),
        ('[axes]\ntask = ["adding", "ading"]', r"s\.toml: unknown task 'ading'; did you mean 'adding'\?"),
        ("[axes.parameter]\nlenth = [3]", r"s\.toml: unknown parameter of adding 'lenth'"),
    ],
)
def test_what_no_run_can_have_is_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        planned(FIXED + text)
