"""Which CPUs are chosen, on machines whose description by the kernel is written into a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import topology
from harness.machine.process import available_cpus
from harness.machine.topology import Choice, Core, among, busy_cpus, cores, parse_cpus, workers_cpus

#: Cores by their CPUs, in two packages: the second thread of each core has a number of its own range.
TWO_PACKAGES = [("0", (cpu, cpu + 4)) for cpu in (0, 1)] + [("1", (cpu, cpu + 4)) for cpu in (2, 3)]


def a_machine(
    folder: Path, described: Sequence[tuple[str, Sequence[int]]], more: Mapping[str, str] | None = None
) -> None:
    """Write packages and cores as the kernel does; ``more`` are further files by their paths."""
    files = dict(more or {})
    for package, cpus in described:
        for cpu in cpus:
            place = f"system/cpu/cpu{cpu}"
            files[f"{place}/topology/thread_siblings_list"] = ",".join(map(str, cpus))
            files[f"{place}/topology/physical_package_id"] = package
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")


def chosen(folder: Path, threads: int, allowed: Sequence[int], busy: Sequence[int] = ()) -> list[int]:
    return sorted(among(cores(allowed, busy, folder), threads).cpus)


def test_threads_get_distinct_cores_of_one_package(tmp_path: Path) -> None:
    a_machine(tmp_path, TWO_PACKAGES)
    every = range(8)
    assert chosen(tmp_path, 2, every) == [0, 1]
    assert chosen(tmp_path, 2, every, busy=[0]) == [2, 3], "the other package has two idle cores"
    assert chosen(tmp_path, 1, every, busy=[4]) == [1], "a busy second thread makes its core busy"
    assert chosen(tmp_path, 3, every) == [0, 1, 2], "distinct cores before one package"
    assert chosen(tmp_path, 2, [0, 4, 5]) == [0, 5], "of the CPUs that may be used"
    assert chosen(tmp_path, 5, every) == [0, 1, 2, 3, 4]


def test_where_the_idle_core_is_taken_first_it_says_how_many_are_not(tmp_path: Path) -> None:
    a_machine(tmp_path, TWO_PACKAGES)
    first, second = (among(cores(range(8), busy, tmp_path), 2) for busy in ([0, 2, 3], [0, 1, 2, 3]))
    assert first.cpus == [1, 0]
    assert first.why == "distinct cores, 1 of them busy: none was idle"
    assert second.why == "distinct cores, 2 of them busy: none was idle"


def test_threads_get_one_kind_of_core_the_faster_one_first(tmp_path: Path) -> None:
    """Two performance cores with two threads each, four efficiency cores, as Intel's kernels tell them."""
    kinds = {"cpu_core/cpus": "0-3", "cpu_atom/cpus": "4-7"}
    a_machine(tmp_path, [("0", (0, 1)), ("0", (2, 3)), *(("0", (cpu,)) for cpu in range(4, 8))], kinds)
    assert chosen(tmp_path, 2, range(8)) == [0, 2]
    assert chosen(tmp_path, 2, range(8), busy=[0, 2]) == [0, 2], "a busy fast core before an idle slow one"
    assert chosen(tmp_path, 4, range(8)) == [4, 5, 6, 7], "distinct cores of one kind"
    assert chosen(tmp_path, 2, [3, 4, 5]) == [4, 5]
    assert len(chosen(tmp_path, 8, range(8))) == 8
    assert among(cores(range(8), [], tmp_path), 2).why == "distinct cores of one kind, idle when chosen"
    assert "of several kinds" in among(cores(range(8), [], tmp_path), 6).why


def test_elsewhere_kinds_are_told_by_their_capacity(tmp_path: Path) -> None:
    capacity = {f"system/cpu/cpu{cpu}/cpu_capacity": str(value) for cpu, value in enumerate((300, 300, 800, 800, 1024))}
    a_machine(tmp_path, [("0", (cpu,)) for cpu in range(5)], capacity)
    assert chosen(tmp_path, 1, range(5)) == [4]
    assert chosen(tmp_path, 2, range(5)) == [2, 3]


def test_a_kernel_that_tells_nothing_has_a_core_for_each_cpu(tmp_path: Path) -> None:
    assert chosen(tmp_path, 2, [3, 1, 2]) == [1, 2]


@given(st.data())
def test_as_many_cpus_as_threads_are_chosen_and_no_core_twice_without_need(data: st.DataObject) -> None:
    per_core = data.draw(st.lists(st.integers(1, 2), min_size=1, max_size=8))
    numbers = iter(range(sum(per_core)))
    found = [
        Core(data.draw(st.integers(0, 1)), str(data.draw(st.integers(0, 1))), [next(numbers) for _ in range(n)],
             data.draw(st.booleans()))
        for n in per_core
    ]  # fmt: skip
    threads = data.draw(st.integers(1, sum(per_core)))
    cpus = among(found, threads).cpus
    assert len(set(cpus)) == len(cpus) == threads
    taken = [core for core in found if set(core.cpus) & set(cpus)]
    most = max(sum(core.speed == kind for core in found) for kind in (0, 1))
    if threads <= most:
        assert len(taken) == threads, "distinct cores"
        assert len({core.speed for core in taken}) == 1, "of one kind"


STAT = "cpu  9 9 9 9\ncpu0 {} 0 0 {} 0 0 0 0 0 0\ncpu1 {} 0 0 {} 0 0 0 0 0 0\nintr 5\n"


def test_who_is_busy_is_found_by_looking_twice(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(STAT.format(1000, 0, 0, 1000))

    def meanwhile(seconds: float) -> None:
        assert seconds < 0.2
        stat.write_text(STAT.format(1000, 5, 4, 1001))

    assert busy_cpus(stat, meanwhile) == {1}, "now, not since the system started"
    assert busy_cpus(tmp_path / "none", lambda _: None) == set()


def test_cpus_of_other_workers_are_taken_even_while_they_wait(tmp_path: Path) -> None:
    every = len(available_cpus())
    for number, (command, cpus) in enumerate({
        "python\0-P\0-m\0harness.worker\0": "900-900", "python\0-m\0harness\0": "901",
        "python\0-P\0-m\0harness.worker\0\0": f"0-{every - 1}",
    }.items()):  # fmt: skip
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_text(command)
        (tmp_path / str(number) / "status").write_text(f"Name:\tpython\nCpus_allowed_list:\t{cpus}\n")
    assert workers_cpus(tmp_path) == ({900} if every > 1 else set()), "the last one is tied to no CPU"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be chosen")
def test_nothing_is_looked_at_where_there_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "busy_cpus", lambda: pytest.fail("looked"))
    every = available_cpus()
    assert Choice().of(len(every)) == (every, "all that may be used")
    assert Choice(every[-1:]).of(1) == (every[-1:], "named by --cpus")


@pytest.mark.skipif(len(available_cpus()) < 2, reason="one CPU leaves no choice")
def test_it_is_looked_once_for_all_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([set(available_cpus()[:1])])
    monkeypatch.setattr(topology, "busy_cpus", lambda: next(looks))
    monkeypatch.setattr(topology, "workers_cpus", set)
    choice = Choice()
    assert choice.of(1) == choice.of(1)
    named = Choice(available_cpus()[:1])
    assert named.of(1).cpus == available_cpus()[:1]


def test_a_system_that_ties_no_process_to_cpus_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert Choice().of(1) == (available_cpus(), "this system ties no process to CPUs")


@given(st.sets(st.integers(0, 99_999), min_size=1, max_size=20))
def test_a_list_of_cpus_is_read_whatever_its_order(numbers: set[int]) -> None:
    assert parse_cpus(",".join(map(str, numbers))) == sorted(numbers)


def test_a_range_of_cpus_is_read() -> None:
    assert parse_cpus("8,4-6,5") == [4, 5, 6, 8]


@pytest.mark.parametrize("text", ["", "a", "1,", "-1", "4-", "3-1", "5,3-1", "1-2-3", "0-9999999999", "٣"])
def test_what_is_no_list_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no list of CPUs"):
        parse_cpus(text)
