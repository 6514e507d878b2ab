"""From the options of ``harness run`` to specs: axes that multiply, seeds, presets, variants."""

from __future__ import annotations

import os
import re
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from harness.errors import UsageError
from harness.machine import cgroups
from harness.machine.process import available_cpus
from harness.planning import runs
from harness.planning.runs import (
    by_version,
    check_threads,
    default_threads,
    expand,
    named_cpus,
    plan,
    seeds_of,
    split_version,
    threads_note,
)
from harness.specs.commandline import words
from harness.specs.options import option, value_at

NUMPY: dict[str, Any] = {"backend": "numpy", "threads": 1}


def test_what_is_not_given_is_the_presets() -> None:
    (spec,) = plan(NUMPY)
    preset = tasks.registry.load("adding").presets["smoke"]
    assert (spec.task, spec.preset, spec.seed, spec.device, spec.variant) == ("adding", "smoke", 0, "cpu", "auto")
    assert (spec.model.hidden, spec.batch, spec.steps) == (preset.hidden, preset.batch, preset.steps)
    assert (spec.optimizer.name, spec.optimizer.lr, spec.optimizer.clip) == (preset.optimizer, preset.lr, preset.clip)
    assert spec.initialisation.forget_bias == preset.forget_bias
    assert spec.parameters == tasks.load("adding", preset.parameters).parameters


def test_dropout_is_refused_where_there_is_nothing_between_layers() -> None:
    with pytest.raises(UsageError, match=r"^dropout is between layers: there is one; --layers 2 or --input-dropout$"):
        plan({**NUMPY, "dropout": 0.5})
    specs = plan({**NUMPY, "dropout": [0, 0.5], "input_dropout": 0.2, "layers": 2})
    assert [(spec.dropout, spec.input_dropout) for spec in specs] == [(0, 0.2), (0.5, 0.2)]


def test_what_is_given_wins_and_goes_where_it_belongs() -> None:
    (spec,) = plan({
        **NUMPY, "hidden": 24, "layers": 2, "bidirectional": True, "lr": 0.5, "clip": 0, "init": "uniform",
        "input_init": "orthogonal", "forget_bias": 2.0, "chrono": 9, "precision": "float64", "deterministic": False,
        "score_at": "best-validation", "parameter": "length=7",
    })  # fmt: skip
    assert (spec.model.cell, spec.model.hidden, spec.model.layers, spec.model.bidirectional) == ("lstm", 24, 2, True)
    assert spec.initialisation.model_dump() == {
        "recurrent": "uniform", "input": "orthogonal", "forget_bias": 2.0, "chrono": 9
    }  # fmt: skip
    assert (spec.optimizer.lr, spec.optimizer.clip) == (0.5, None)
    assert (spec.precision, spec.deterministic, spec.score_at) == ("float64", False, "best-validation")
    assert spec.parameters["length"] == 7


def test_clipping_by_value_is_in_place_of_the_presets_clipping_and_not_beside_it() -> None:
    (spec,) = plan({**NUMPY, "clip_value": 0.5})
    assert (spec.optimizer.clip, spec.optimizer.clip_value) == (None, 0.5)
    with pytest.raises(UsageError, match="clip and clip-value"):
        plan({**NUMPY, "clip_value": 0.5, "clip": 1})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"schedule": "step", "decay_by": 0.1}, "optimizer: schedule step needs decay-every and decay-by"),
        ({"batch": 32, "accumulate": 3}, "accumulate: a divisor of the batch of 32, not 3"),
        ({"decay_every": 3}, "optimizer: decay-every is of schedule step, not of constant"),
        ({"warmup": 60}, "warmup: fewer than all 60 updates, not 60"),
        ({"schedule": "linear"}, "optimizer.schedule: input should be 'constant', 'step' or 'cosine', not 'linear'"),
    ],
)
def test_a_training_that_cannot_be_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan({**NUMPY, "steps": 60, **given})


@pytest.mark.parametrize(("framework", "forget_bias"), [("keras", 1.0), ("torch", 0.0)])
def test_a_frameworks_start_is_that_of_all_weights_and_biases(framework: str, forget_bias: float) -> None:
    (spec,) = plan({**NUMPY, "init": framework})
    start = spec.initialisation
    assert (start.recurrent, start.input, start.forget_bias) == (framework, framework, forget_bias)
    (other,) = plan({**NUMPY, "init": framework, "forget_bias": 3.0})
    assert other.initialisation.forget_bias == 3.0
    for more in ({"input_init": "glorot"}, {"chrono": 9}):
        with pytest.raises(UsageError, match=f"initialisation: {framework} is "):
            plan({**NUMPY, "init": framework, **more})


@pytest.mark.parametrize(("steps", "chunk", "evaluate_every"), [(5, 1, 5), (50, 5, 50), (100_000, 10, None), (1, 1, 1)])
def test_few_updates_have_small_blocks_and_one_evaluation(steps: int, chunk: int, evaluate_every: int | None) -> None:
    (spec,) = plan({**NUMPY, "steps": steps})
    usual = tasks.registry.load("adding").presets["smoke"].evaluate_every
    assert (spec.chunk, spec.evaluate_every) == (chunk, evaluate_every or usual)


def test_axes_multiply_in_this_order_and_repetitions_count_once() -> None:
    specs = plan({**NUMPY, "task": ["adding", "copy"], "cell": ["lstm", "gru", "lstm"], "seeds": "2",
                  "device": ["cpu", "cuda", "cpu"]})  # fmt: skip
    assert [(spec.task, spec.model.cell, spec.seed, spec.device) for spec in specs] == [
        (task, cell, seed, device)
        for task in ("adding", "copy") for cell in ("lstm", "gru") for seed in (0, 1) for device in ("cpu", "cuda")
    ]  # fmt: skip


def test_sizes_and_rates_multiply_between_cell_and_seed_in_the_order_of_the_options() -> None:
    specs = plan({**NUMPY, "lr": [0.1, 0.01, 0.1], "hidden": [4, 8], "cell": ["lstm", "gru"], "seeds": "2",
                  "variant": ["hoisted", "textbook", "hoisted"]})  # fmt: skip
    assert [(spec.model.cell, spec.model.hidden, spec.optimizer.lr, spec.seed, spec.variant) for spec in specs] == list(
        product(("lstm", "gru"), (4, 8), (0.1, 0.01), (0, 1), ("hoisted", "textbook"))
    )


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(st.sampled_from(values), min_size=1, max_size=3)
            for name, values in {
                "precision": ["float32", "float64"], "hidden": [3, 4, 5], "layers": [1, 2], "batch": [2, 3],
                "steps": [5, 6], "lr": [0.1, 0.2], "threads": [1, default_threads().number],
            }.items()
        },
    )
)  # fmt: skip
def test_every_axis_multiplies(axes: dict[str, list[Any]]) -> None:
    specs = plan({"backend": "numpy", **axes})
    assert len(specs) == len(set(specs)) == prod(len(set(values)) for values in axes.values())
    for name, values in axes.items():
        assert {value_at(spec, option(name).fills or "") for spec in specs} == set(values)


def test_a_task_parameter_multiplies_too_whatever_else_is_given() -> None:
    words = ["length=29", "noise=0.1", "noise=0.20", "noise=0.2", "length=28"]
    specs = plan({**NUMPY, "task": ["sine", "adding"], "parameter": words})
    found = [(spec.task, spec.parameters["length"], spec.parameters.get("noise")) for spec in specs]
    assert found == [
        ("sine", 29, 0.1), ("sine", 29, 0.2), ("sine", 28, 0.1), ("sine", 28, 0.2),
        ("adding", 29, None), ("adding", 28, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"device": "cuda:1"}, "CUDA_VISIBLE_DEVICES=1"),
        ({"hiden": 3}, "unknown option 'hiden'; did you mean 'hidden'?"),
        ({"seed": 1, "seeds": "2"}, "--seed and --seeds: give one of them"),
        ({"batch": 10**6, "task": "sequential-digits"}, "a batch of 1,000,000 is larger"),
        ({"threads": 10_000}, "CPUs, not 10000"),
        ({"parameter": ["length"]}, "-P takes name=value, not 'length'"),
        ({"task": ["adding", "copy"], "parameter": ["delai=3"]}, "did you mean 'delay'?"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan({**NUMPY, **given})
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_is_every_variant_that_the_backend_has_for_the_device(plugin: Path) -> None:
    found = [spec.variant for spec in plan({"backend": "madeup", "task": "echo", "variant": "all", "threads": 1})]
    assert {"good", "chatty"} <= set(found)
    with pytest.raises(UsageError, match="did you mean 'chatty'"):
        plan({"backend": "madeup", "task": "echo", "variant": "chatti"})


def test_a_variant_may_be_asked_for_by_its_former_name() -> None:
    """As the command does that a record of an earlier version prints."""
    assert [spec.variant for spec in plan({**NUMPY, "variant": "halves"})] == ["parts"]


def test_a_backend_may_have_versions() -> None:
    assert split_version("torch") == ("torch", None)
    assert split_version("torch@2.13.0") == ("torch", "2.13.0")
    assert by_version(["torch", "jax@1", "torch@2", "torch@2"]) == {"torch": [None, "2"], "jax": ["1"]}


def test_all_stands_for_what_is_known() -> None:
    assert expand(["b", "all"], "abc", str) == ["b", "a", "c"]


def test_a_run_of_another_machine_is_planned_whatever_this_one_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.supervise, "probe", lambda names: pytest.fail("no backend is started"))
    given = {"backend": "torch", "threads": 4096, "variant": "nn", "batch": 10**9}
    (spec,) = plan(given, anywhere=True)
    assert (spec.threads, spec.variant, spec.batch) == (4096, "nn", 10**9)
    with pytest.raises(UsageError, match="threads"):
        plan({**given, "variant": "auto"})


def test_threads_are_at_most_the_cpus() -> None:
    assert 1 <= default_threads().number <= len(available_cpus())
    check_threads(len(available_cpus()))
    with pytest.raises(UsageError):
        check_threads(len(available_cpus()) + 1)


@pytest.mark.parametrize(
    ("quota", "number", "why"), [(0.5, 1, "0.5 CPU"), (1.0, 1, "1 CPU"), (1.5, 1, "1.5 CPU"), (8.0, 2, None)]
)
def test_default_threads_fit_into_the_control_groups_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float, number: int, why: str | None
) -> None:
    monkeypatch.setattr(runs, "available_cpus", lambda: list(range(16)))
    monkeypatch.setattr(cgroups, "cpu_quota", lambda: quota)
    reason = why and f"the control group's quota is {why}"
    assert default_threads() == (number, reason)
    assert threads_note(None) == (why and f"threads: 1 and not 2: {reason}")
    assert plan({"backend": "numpy"})[0].threads == number
    assert plan({"backend": "numpy", "threads": 3})[0].threads == 3, "what is asked for is not changed"
    stopped = f"threads: 3 will be stopped again and again: {reason}" if why else None
    assert threads_note(3) == stopped


def test_named_cpus_limit_the_threads_and_are_no_part_of_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "available_cpus", lambda: list(range(16)))
    monkeypatch.setattr(cgroups, "cpu_quota", lambda: None)
    assert named_cpus(None) is None
    assert named_cpus("4-6, 9") == [4, 5, 6, 9]
    assert plan({"backend": "numpy", "cpus": "4-7"}) == plan({"backend": "numpy"})
    assert plan({"backend": "numpy", "cpus": "7"})[0].threads == 1
    assert "--cpus" not in words(plan({"backend": "numpy", "cpus": "7"})[0])
    for text, says in (
        ("4-", "takes numbers of CPUs, such as 4-7 or 0,2, not '4-'"),
        ("15-17", "may not use CPU 16; it may use 0-15"),
    ):
        with pytest.raises(UsageError, match=re.escape(says)):
            plan({"backend": "numpy", "cpus": text})
    with pytest.raises(UsageError, match="--cpus names 1, fewer than the 2 threads"):
        plan({"backend": "numpy", "cpus": "7", "threads": 2})


def test_where_no_process_can_be_tied_to_cpus_none_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    with pytest.raises(UsageError, match="--cpus: this system ties no process to CPUs"):
        named_cpus("0")


@given(st.lists(st.integers(0, 2**62), min_size=2, max_size=9, unique=True))
def test_a_list_of_seeds_is_those(seeds: list[int]) -> None:
    assert seeds_of(",".join(map(str, seeds)), []) == seeds


@given(st.text(max_size=20))
def test_any_other_text_is_told_in_one_line(text: str) -> None:
    try:
        assert len(set(seeds_of(text, []))) >= 1
    except UsageError as error:
        assert "seed" in str(error)  # noqa: PT017


def test_a_number_counts_from_0_and_both_ways_at_once_are_refused() -> None:
    assert seeds_of("3", []) == [0, 1, 2]
    assert seeds_of(None, []) == [0]
    assert seeds_of(None, [4, 4]) == [4, 4]
    for seeds, seed in (("2", [1]), ("0", []), ("1,1", []), ("1,", []), ("10001", [])):
        with pytest.raises(UsageError):
            seeds_of(seeds, seed)


def test_epochs_are_updates_of_whole_passes_evaluated_at_their_ends() -> None:
    digits = {**NUMPY, "task": "sequential-digits"}
    (spec,) = plan({**digits, "epochs": 3, "batch": 500})  # 1257 training sequences make two batches of 500
    assert (spec.steps, spec.evaluate_every) == (6, 2)
    (spec,) = plan({**digits, "epochs": 250, "batch": 1257})
    assert (spec.steps, spec.evaluate_every) == (250, 3)
    (spec,) = plan({**digits, "epochs": 2, "batch": 100, "evaluate_every": 5})
    assert (spec.steps, spec.evaluate_every) == (24, 5)
    assert [spec.steps for spec in plan({**digits, "epochs": 1, "batch": [100, 400]})] == [12, 3]
    same = plan({**digits, "steps": 6, "evaluate_every": 2, "batch": 500})[0]
    assert plan({**digits, "epochs": 3, "batch": 500})[0].digest == same.digest


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epochs": 3}, "--epochs: adding draws fresh sequences without end, so it has no epochs; use --steps"),
        ({"epochs": 3, "steps": 4, "task": "sequential-digits"}, "--epochs and --steps: give one of them"),
        ({"epochs": 3, "batch": 1258, "task": "sequential-digits"}, "batch: sequential-digits has 1,257 training"),
        ({"epochs": 3, "batch": 0, "task": "sequential-digits"}, "batch: at least 1, not 0"),
    ],
)
def test_epochs_that_cannot_be_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        plan({**NUMPY, **given})
