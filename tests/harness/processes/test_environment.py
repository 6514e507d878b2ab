"""The worker's environment is built from nothing: what it may inherit, and what is kept from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.planning.runs import plan
from harness.processes.environment import (
    INHERITED,
    INHERITED_PREFIXES,
    describe,
    device_variables,
    worker_environment,
    worker_variables,
)

names = st.sampled_from([*INHERITED, "LC_ALL", "OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "EDITOR", "XLA_FLAGS"])


@given(st.dictionaries(names, st.text(max_size=5)), st.dictionaries(names, st.text(max_size=5)))
def test_every_variable_of_the_worker_is_inherited_by_name_or_set_by_the_spec(
    caller: dict[str, str], variables: dict[str, str]
) -> None:
    env, strays = worker_environment(variables, caller)
    for name, value in env.items():
        allowed = name in INHERITED or name.startswith(INHERITED_PREFIXES)
        assert name in variables or name == "PYTHONUNBUFFERED" or (allowed and caller[name] == value)
    for name in strays:
        assert env.get(name) != caller[name] or caller[name] == variables.get(name)
    assert "EDITOR" not in strays, "it changes no number"


@pytest.mark.parametrize(
    ("caller", "strays"),
    [
        ({"OMP_NUM_THREADS": "9"}, {"OMP_NUM_THREADS": "9"}),
        ({"OMP_NUM_THREADS": "2"}, {}),  # what the spec says anyway
        ({"TF_CLI_CONFIG_FILE": "x", "TF_VAR_a": "y"}, {}),  # Terraform's
        ({"TRITON_LIBCUDA_PATH": "/x", "TRITON_F32_DEFAULT": "tf32"}, {"TRITON_F32_DEFAULT": "tf32"}),
        ({"HOME": "/home/me", "XLA_FLAGS": "--dump=/home/me/x"}, {"XLA_FLAGS": "--dump=~/x"}),
    ],
)
def test_strays_are_named_without_saying_where_the_user_lives(caller: dict[str, str], strays: dict[str, str]) -> None:
    assert worker_environment({"OMP_NUM_THREADS": "2"}, caller)[1] == strays


def test_the_description_names_machine_python_and_versions() -> None:
    found = describe({"A": "b"}, {"C": "d"})
    assert found.cpu
    assert found.logical_cpus >= 1
    assert found.python.count(".") == 2
    assert {"harness", "numpy", "pydantic"} <= set(found.versions)
    assert "rnn-harness" not in found.versions, "records of before and after the new name have the same key"
    assert (found.variables, found.strays) == ({"A": "b"}, {"C": "d"})


@pytest.mark.parametrize("visible", [None, "", "1,0"])
def test_which_gpu_a_worker_sees_is_the_users_to_say(monkeypatch: pytest.MonkeyPatch, visible: str | None) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (spec,) = plan({"backend": "numpy", "device": "cuda", "threads": 1})
    set_for_it = worker_variables(spec)
    assert device_variables().items() <= set_for_it.items()
    assert set_for_it.get("CUDA_VISIBLE_DEVICES") == visible
    assert set_for_it["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID", "else an index would mean another GPU to NVML"
    on_cpu = worker_variables(spec.model_copy(update={"device": "cpu"}))
    assert on_cpu["CUDA_VISIBLE_DEVICES"] == "-1"
