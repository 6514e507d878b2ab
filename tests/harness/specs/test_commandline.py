"""The command that repeats a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.job import CELLS
from harness.cli.parameters import parse
from harness.planning.runs import plan
from harness.records.store import read_all, read_record
from harness.specs.base import Initialisation, Model, Optimizer
from harness.specs.commandline import command_line, runs_only, words
from harness.specs.options import RUN, WITHOUT_OPTION
from harness.specs.run import RunSpec
from tests.conftest import Harness

ROOT = Path(__file__).resolve().parents[3]
FIRST = min((ROOT / "results" / "published").rglob("*-adding-*.json"))
positive = st.integers(1, 10**9)
numbers = st.floats(allow_nan=False, allow_infinity=False)
above_zero = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
schemes = st.sampled_from(["orthogonal", "glorot", "uniform"])
schedules = st.sampled_from([{}, {"schedule": "cosine"}, {"schedule": "step", "decay_every": 7, "decay_by": 0.1}])
clippings = st.sampled_from([("clip", "clip_value"), ("clip_value", "clip")])
optimizers = st.tuples(clippings, schedules).flatmap(
    lambda chosen: st.builds(
        Optimizer, name=st.sampled_from(["adam", "adamw", "rmsprop", "sgd"]), lr=above_zero,
        beta1=st.just(0.9), beta2=st.just(0.999), alpha=st.just(0.99), epsilon=st.just(1e-8),
        weight_decay=st.just(0.0) | above_zero,
        **{chosen[0][0]: st.none() | above_zero, chosen[0][1]: st.none()},
        **{name: st.just(value) for name, value in chosen[1].items()},
    )
)  # fmt: skip
run_specs = st.builds(
    RunSpec,
    task=st.just("adding"),
    preset=st.sampled_from(["smoke", "quick", "paper"]),
    parameters=st.fixed_dictionaries(
        {"length": st.integers(2, 10**6), "markers": st.sampled_from(["halves", "anywhere"])}
    ),
    seed=st.integers(0, 2**63 - 1),
    backend=st.sampled_from(["numpy", "torch", "tensorflow", "jax"]),
    variant=st.just("auto"),  # any other would start a process that asks the backend for its variants
    device=st.sampled_from(["cpu", "cuda"]),
    precision=st.sampled_from(["float32", "float64", "tf32", "bfloat16"]),
    model=st.builds(
        Model, cell=st.sampled_from(CELLS), hidden=positive, layers=positive, bidirectional=st.booleans()
    ),
    initialisation=st.builds(
        Initialisation, recurrent=schemes, input=schemes, forget_bias=numbers,
        chrono=st.none() | st.integers(3, 10**9),
    ) | st.sampled_from(["keras", "torch"]).flatmap(
        lambda start: st.builds(Initialisation, recurrent=st.just(start), input=st.just(start), forget_bias=numbers)
    ),
    optimizer=optimizers,
    batch=positive,
    steps=positive,
    chunk=positive,
    evaluate_every=positive,
    threads=st.just(1),
    denormals=st.sampled_from(["flush", "keep"]),
    deterministic=st.booleans(),
    score_at=st.sampled_from(["final", "best-validation"]),
    label_smoothing=st.floats(0, 1, exclude_max=True),
    input_dropout=st.floats(0, 1, exclude_max=True),
    patience=st.none() | positive,
    start=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
).flatmap(  # between layers, of which there must be two
    lambda spec: st.builds(
        lambda rate: spec.model_copy(update={"dropout": rate}),
        st.floats(0, 1, exclude_max=True) if spec.model.layers > 1 else st.just(0.0),
    )
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(run_specs)
def test_the_command_of_a_spec_plans_that_spec_again(spec: RunSpec) -> None:
    command, name, *given_words = words(spec)
    assert (command, name) == ("harness", "run")
    with patch("harness.planning.runs.check_run"):  # sizes that no machine can hold are sizes, too
        assert plan(parse(RUN, given_words)) == [spec]
    assert runs_only(command_line(spec) or "")


def test_the_commands_of_the_published_records_are_still_made() -> None:
    """Word by word and in order; an option that is younger than a record may stand between."""
    records = read_all([ROOT / "results" / "published"]).records
    assert len(records) >= 40
    for record in records:
        made = iter(words(record.spec))
        assert all(word in made for word in shlex.split(record.command or "nothing"))


@pytest.mark.parametrize("path", WITHOUT_OPTION)
def test_a_spec_with_a_value_that_no_option_gives_has_no_command(path: str) -> None:
    base = read_record(FIRST).spec
    assert command_line(base) is not None
    name = path.removeprefix("optimizer.")
    odd = base.model_copy(update={"optimizer": base.optimizer.model_copy(update={name: 0.5})})
    assert command_line(odd) is None


def test_the_version_of_a_framework_goes_with_its_backend() -> None:
    spec = read_record(FIRST).spec
    assert f"--backend {spec.backend}@1.2.3 " in (command_line(spec, "1.2.3") or "")


ASKED = ["--backend", "numpy", "--task", "sequential-digits", "--steps", "20", "--evaluate-every", "10"]


def test_the_command_makes_exactly_the_spec_again(harness: Harness) -> None:
    asked = [*ASKED, "--cell", "gru", "--bidirectional", "--clip", "0", "--no-deterministic", "--chrono", "8",
             "--accumulate", "2", "--patience", "3", "--warmup", "5", "--schedule", "cosine"]  # fmt: skip
    spec = RunSpec.model_validate_json(harness("run", *asked, "--dry-run", "--json").stdout)
    again = harness(*words(spec)[1:], "--dry-run", "--json")
    assert RunSpec.model_validate_json(again.stdout) == spec, again.stderr
