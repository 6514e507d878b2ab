"""The key of a run: equal where the figure would be, another where anything that decides it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.records.resume import computing, key_anywhere, key_of, shape_of
from harness.records.run import Place, Record

RecordFactory = Callable[..., Record]

WHERE: dict[str, Any] = {
    "sources": {"harness": "1" * 64, "backends": "2" * 64, "tasks": "3" * 64},
    "packages": {"numpy": "2.3.0", "torch": "2.11.0", "rich": "14.0.0"},
}
#: What decides a figure, each changed.
DECIDES: list[dict[str, Any]] = [
    {"seed": 1},
    {"hidden": 65},
    {"environment": {**WHERE, "sources": {**WHERE["sources"], "tasks": "4" * 64}}},
    {"environment": {**WHERE, "packages": {**WHERE["packages"], "torch": "2.12.0"}}},
    {"environment": {**WHERE, "packages": {**WHERE["packages"], "numpy": "2.3.1"}}},
    {"environment": {**WHERE, "python": "3.12.9"}},
    {"environment": {**WHERE, "cpu": "another"}},
    {"environment": {**WHERE, "plugins": {"task": "5" * 64}}},
    {"environment": {**WHERE, "variables": {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}}},
]
#: What does not.
OTHERS: list[dict[str, Any]] = [
    {"number": 7},
    {"status": "failed", "reason": "it broke"},
    {"environment": {**WHERE, "packages": {**WHERE["packages"], "rich": "15.0.0"}}},
    {"environment": {**WHERE, "python": "3.11.7"}},
    {"environment": {**WHERE, "variables": {"LANG": "C"}}},
    {"environment": {**WHERE, "affinity": [1], "git_dirty": True, "os": "Linux 7"}},
    {"record": {"place": Place(engine="local", node="elsewhere")}},
]


@pytest.mark.parametrize("change", DECIDES)
def test_what_decides_the_figure_is_in_the_key(make_record: RecordFactory, change: dict[str, Any]) -> None:
    assert key_of(make_record(**{"environment": WHERE, **change})) != key_of(make_record(environment=WHERE))


@pytest.mark.parametrize("change", OTHERS)
def test_what_does_not_decide_it_is_not(make_record: RecordFactory, change: dict[str, Any]) -> None:
    key = key_of(make_record(**{"environment": WHERE, **change}))
    assert key == key_of(make_record(environment=WHERE))
    assert len(str(key)) == 64


def test_a_record_that_does_not_say_what_decides_it_has_no_key(make_record: RecordFactory) -> None:
    for missing in ("sources", "packages"):
        record = make_record(environment={**WHERE, missing: {}}, record={"place": Place(engine="ray", node="a")})
        assert (key_of(record), key_anywhere(record)) == (None, None)


def test_where_an_engine_chose_the_machine_the_key_is_every_machine_s(make_record: RecordFactory) -> None:
    places = [Place(engine="ray", node=node) for node in ("a", "b")]
    found = [
        make_record(environment={**WHERE, "cpu": place.node}, record={"place": place}) for place in places
    ]  # fmt: skip
    assert key_of(found[0]) != key_of(found[1])
    assert key_anywhere(found[0]) == key_anywhere(found[1]) != None  # noqa: E711 - of both
    assert key_anywhere(make_record(environment=WHERE)) is None


def test_on_a_gpu_it_is_the_processor(make_record: RecordFactory) -> None:
    def on(gpu: str, **more: Any) -> str | None:
        return key_of(make_record(device="cuda", environment={**WHERE, "gpu": {"name": gpu}, **more}))

    assert on("A") == on("A", cpu="another") == on("B", device_name="A")
    assert on("A") != on("B")


def test_the_distributions_that_compute_are_the_framework_s() -> None:
    installed = {"numpy": "2.3.0", "torch": "2.11.0", "rich": "14.0.0", "jax": "0.8.0"}
    assert computing("torch", installed, "3.11.9") == {"python": "3.11", "numpy": "2.3.0", "torch": "2.11.0"}
    assert computing("a-third-party-s", installed, "3.11.9") == {"python": "3.11", "numpy": "2.3.0"}


def test_runs_of_one_shape_take_as_long(make_record: RecordFactory) -> None:
    assert shape_of(make_record().spec) == shape_of(make_record(seed=3).spec)
    assert len({shape_of(make_record(**each).spec) for each in ({}, {"hidden": 65}, {"steps": 400})}) == 3
