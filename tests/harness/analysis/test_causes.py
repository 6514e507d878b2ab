"""What differs around two results, and in which order it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.analysis.causes import apart, causes, parted, record_traits, traits_of
from harness.records.base import Environment
from harness.records.run import Record

RecordFactory = Callable[..., Record]


def test_the_likeliest_cause_comes_first(make_record: RecordFactory) -> None:
    record = make_record()
    other = {"cpu": "another", "os": "another", "versions": {**record.environment.versions, "torch": "9"}}
    found = causes(record, make_record(environment=other))
    assert [cause.split(":")[0] for cause in found] == ["torch", "processor", "operating system"]


def environment(**fields: Any) -> Environment:
    return Environment(**({"cpu": "a", "logical_cpus": 2, "os": "b", "python": "3.11.9", "versions": {}} | fields))


SOURCES = {"backends": "1" * 64, "harness": "2" * 64}


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            {},
            {"cpu_flags": ["avx2"], "libc": "glibc 2.36", "packages": {"a": "1"}, "plugins": {"backend": "3" * 64}},
            [],
        ),
        ({"packages": {"a": "1"}}, {"packages": {"b": "2"}}, [("a", "1", None), ("b", None, "2")]),
        ({"cpu_flags": ["fma", "sse"]}, {"cpu_flags": ["avx2", "sse"]}, [("processor features", ["fma"], ["avx2"])]),
        ({"sources": SOURCES, "git_commit": "e" * 40}, {"sources": SOURCES, "git_commit": "f" * 40}, []),
        ({"sources": SOURCES, "git_commit": "e" * 40}, {}, [("commit of the harness", "e" * 40, None)]),
        ({"versions": {"jax": "1"}}, {"versions": {"torch": "2"}}, [("jax", "1", None)]),
    ],
)
def test_a_difference_counts_only_where_both_sides_could_know(
    first: dict[str, Any], second: dict[str, Any], told: list[tuple[str, Any, Any]]
) -> None:
    sides = [traits_of(environment(**each), "jax", "scan") for each in (first, second)]
    assert [tuple(each) for each in apart(*sides)] == told


def test_what_a_machine_shares_is_apart_from_what_a_run_has_alone(make_record: RecordFactory) -> None:
    own, around = parted(record_traits(make_record(environment={"packages": {"a": "1"}})))
    assert {"what computed the recurrence", "torch", "numpy"} <= {each.what for each in own}
    assert {"processor", "a"} <= {each.what for each in around}
