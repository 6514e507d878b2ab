"""Control groups of both versions, nested and as a container sees them, in folders that stand in for the kernel's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine import cgroups
from harness.machine.cgroups import Group

MOUNT = "30 23 0:{number} {root} {place} rw,nosuid shared:9 - {kind} cgroup rw,{controllers}\n"


def a_kernel(folder: Path, membership: str, mounts: str, files: Mapping[str, str]) -> list[Group]:
    """The groups that a process sees; ``files`` are named from the mounts' folder."""
    proc, mounted = folder / "proc", folder / "cgroup"
    proc.mkdir()
    (proc / "cgroup").write_text(membership)
    (proc / "mountinfo").write_text("23 1 0:1 / / rw - ext4 /dev/vda rw\n" + mounts)
    for name, text in files.items():
        (mounted / name).parent.mkdir(parents=True, exist_ok=True)
        (mounted / name).write_text(text + "\n")
    return cgroups.groups(proc)


def unified(folder: Path, root: str = "/") -> str:
    return MOUNT.format(number=28, root=root, place=folder / "cgroup", kind="cgroup2", controllers="nsdelegate")


def version_1(folder: Path, *controllers: str, root: str = "/") -> str:
    return "".join(
        MOUNT.format(number=n, root=root, place=folder / "cgroup" / name, kind="cgroup", controllers=name)
        for n, name in enumerate(controllers)
    )


def test_the_tightest_of_nested_groups_counts_in_version_2(tmp_path: Path) -> None:
    found = a_kernel(tmp_path, "0::/user/job/step\n", unified(tmp_path), {
        "cpu.stat": "usage_usec 5", "user/cpu.max": "150000 100000", "user/cpu.stat": "nr_periods 9\nnr_throttled 4",
        "user/job/cpu.max": "400000 100000", "user/job/cpu.stat": "nr_throttled 3", "user/job/memory.max": "2048",
        "user/job/step/cpu.max": "max 100000", "user/job/step/memory.max": "max",
        "user/job/step/cpuset.cpus.effective": "4-7", "aside/cpu.max": "1000 100000",
    })  # fmt: skip
    assert cgroups.cpu_quota(found) == 1.5
    assert cgroups.memory_limit(found) == 2048
    assert cgroups.throttled(found) == 7
    assert cgroups.limits(found) == {
        "cpu.max": "150000 100000", "cpuset.cpus.effective": "4-7", "memory.max": "2048"
    }  # fmt: skip


def test_the_tightest_of_nested_groups_counts_in_version_1(tmp_path: Path) -> None:
    membership = "5:memory:/a/b\n4:cpu,cpuacct:/a/b\n3:cpuset:/\n1:name=systemd:/a\n0::/\n"
    found = a_kernel(tmp_path, membership, version_1(tmp_path, "memory", "cpu,cpuacct", "cpuset") + unified(tmp_path), {
        "cpu,cpuacct/a/cpu.cfs_quota_us": "100000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/a/cpu.stat": "nr_periods 20\nnr_throttled 11\nthrottled_time 1",
        "cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/a/b/cpu.stat": "nr_throttled 0", "cpuset/cpuset.cpus": "0-1",
        "memory/memory.limit_in_bytes": str(2**63 - 4096), "memory/a/b/memory.limit_in_bytes": "4096",
    })  # fmt: skip
    assert cgroups.cpu_quota(found) == 1
    assert cgroups.throttled(found) == 11
    assert cgroups.limits(found) == {
        "cpu.max": "100000 100000", "cpuset.cpus.effective": "0-1", "memory.max": "4096"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/", "/"),  # a namespace of its own
        ("/docker/1a", "/docker/1a"),  # none: the paths are the host's
        ("/../other", "/"),  # moved out of the namespace's root
        ("/elsewhere", "/docker/1a"),
    ],
)
def test_a_container_is_shown_its_own_group_as_the_root(tmp_path: Path, path: str, root: str) -> None:
    found = a_kernel(tmp_path, f"0::{path}\n", unified(tmp_path, root), {"cpu.max": "50000 100000"})
    assert [group.folder for group in found] == [tmp_path / "cgroup"]
    assert cgroups.cpu_quota(found) == 0.5


def test_a_place_with_a_blank_is_found(tmp_path: Path) -> None:
    (tmp_path / "a place").mkdir()
    mounts = unified(tmp_path / "a place").replace(" place", "\\040place")
    found = a_kernel(tmp_path / "a place", "0::/\n", mounts, {"cpu.max": "50000 100000"})
    assert cgroups.cpu_quota(found) == 0.5


def test_without_limits_or_without_groups_nothing_is_said(tmp_path: Path) -> None:
    free = a_kernel(tmp_path, "0::/\n", unified(tmp_path), {"cpu.max": "max 100000", "memory.max": "max"})
    for found in (free, cgroups.groups(tmp_path / "none")):
        assert (cgroups.cpu_quota(found), cgroups.throttled(found), cgroups.limits(found)) == (None, None, {})


@given(st.floats(0.01, 1000))
def test_threads_fit_into_the_quota_but_for_a_tenth(quota: float) -> None:
    threads = cgroups.threads_within(quota)
    assert threads >= 1
    assert threads == 1 or threads <= quota + cgroups.ALMOST
    assert threads + 1 > quota


def test_a_quota_just_below_a_whole_number_is_rounded_up() -> None:
    assert [cgroups.threads_within(quota) for quota in (0.1, 1, 1.5, 1.9, 2, 3.95)] == [1, 1, 1, 2, 2, 4]


def test_this_kernel_is_read() -> None:
    assert all(cgroups.limits().values())
    assert (cgroups.throttled() or 0) >= 0
