"""Runs on a real Ray cluster of two nodes: every spec once, whatever is killed in between."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from harness.engines import ray as engine
from harness.errors import UsageError
from harness.machine.process import available_cpus
from harness.processes.slot import FOLDER
from harness.records.run import Record
from harness.records.store import read_all
from tests.conftest import PLUGIN, python_path
from tests.harness.engines.clusters import Cluster, Node, cluster, free_port, study_in, waited_for
from tests.workers import workers_below

pytestmark = [
    pytest.mark.usefixtures("plugin"),
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there"),
]


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short path: those of sockets have at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def driver(there: Cluster, study: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "harness", "study", str(study), "--on", "ray", "--address"]
    return subprocess.Popen(
        [*command, there.address], env=there.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def records_in(results: Path) -> list[Record]:
    return read_all([results]).records


def test_a_study_survives_its_driver_and_a_node(short: Path, tmp_path: Path) -> None:
    """16 runs on two nodes, beside the head. The driver is killed and started again; then a node is, with its run.

    Before there are nodes with a slot, the driver says with which command one is started.
    """
    results, study = tmp_path / "results", study_in(tmp_path, 16)
    with cluster(short) as there:
        there.add("{}")
        with driver(there, study) as refused:
            _, complaints = refused.communicate(timeout=60)
        assert refused.returncode == 2
        told = complaints.strip().splitlines()[-1]
        assert told.startswith(
            "harness: no node of Ray's cluster offers harness-slot: start its nodes with ray start --a"
        )
        assert told.endswith("""--resources='{"harness-slot": 1}'""")
        helper, lost = there.add(), there.add()
        with driver(there, study) as first:
            waited_for(lambda: len(list(results.glob("*.json"))) >= 4)
            at_work = waited_for(helper.worker)
            first.send_signal(signal.SIGKILL)
        _, left = psutil.wait_procs([at_work], 10)
        assert not left
        before = len(records_in(results))
        assert 4 <= before < 14
        with driver(there, study) as second:
            waited_for(lost.worker)
            lost.die()
            told, complaints = second.communicate(timeout=90)
        assert second.returncode == 0, told + complaints
    found = records_in(results)
    assert sorted(record.spec.seed for record in found) == list(range(16))
    assert {record.status for record in found} == {"ok"}
    assert all(record.place is not None and record.place.engine == "ray" for record in found)
    reasons = [each.reason for record in found for each in record.tries]
    gone = [reason for reason in reasons if reason.startswith("the process that ran it is gone")]
    assert 1 <= len(gone) <= 4  # what the first driver had sent: two for each slot
    [lost_with_it] = [reason for reason in reasons if reason not in gone]
    assert lost_with_it.startswith(("its machine was lost", "Ray's")), told
    assert "16 of 16 runs ok" in told


def on_its_own(study: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """The command with a Ray that it starts for itself."""
    command = [sys.executable, "-W", "error", "-m", "harness", "study", str(study), "--on", "ray", *words]
    env = {**os.environ, "PYTHONPATH": python_path(PLUGIN), FOLDER: str(study.parent / "slots"), **variables}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_the_memory_monitor_kills_is_a_record_that_says_so(tmp_path: Path) -> None:
    """A monitor that thinks that all memory is taken kills whatever runs."""
    monitor = {"RAY_memory_usage_threshold": "0.0", "RAY_memory_monitor_refresh_ms": "100"}
    with on_its_own(study_in(tmp_path, 1, "slow"), **monitor) as killed:
        _, complaints = killed.communicate(timeout=90)
    assert killed.returncode == 1, complaints
    [record] = records_in(tmp_path / "results")
    assert record.status == "failed"
    assert "the engine's memory monitor killed it" in (record.reason or "")
    assert not record.tries


@pytest.mark.skipif(len(available_cpus()) < 2, reason="one CPU cannot be shared")
def test_sharing_runs_are_side_by_side_and_a_lost_cluster_is_a_line(tmp_path: Path) -> None:
    """Two runs on one slot; then Ray itself is killed with all below it: no record says that a run failed."""
    with on_its_own(study_in(tmp_path, 4, "slow", steps=300), "--share", "2") as lost:
        at_work = waited_for(lambda: found if len(found := workers_below(lost.pid)) == 2 else None)
        waited_for(lambda: not set(at_work[0].cpu_affinity()) & set(at_work[1].cpu_affinity()))
        for each in psutil.Process(lost.pid).children():
            Node(each).die()
        _, complaints = lost.communicate(timeout=60)
    assert lost.returncode == 1
    told = complaints.strip().splitlines()[-1]
    assert told.startswith(("harness: the head of Ray's cluster is gone", "harness: Ray's cluster is lost: "))
    assert {record.status for record in records_in(tmp_path / "results")} <= {"ok"}
    _, left = psutil.wait_procs(at_work, 10)
    assert not left


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "127.0.0.1:FREE",
            "no Ray cluster answers at .*: Connection refused; start one with ray start --head",
        ),
        ("ray://somewhere:10001", "--address ray://somewhere:10001: HOST:PORT of a cluster"),
        ("nowhere.invalid:6379", "no Ray cluster answers at nowhere.invalid:6379: "),
        ("6379", "--address 6379: HOST:PORT"),
    ],
)
def test_an_address_at_which_nobody_is_takes_one_line(address: str, words: str) -> None:
    address = address.replace("FREE", str(free_port()))  # not in the name, which all processes of a test run share
    with pytest.raises(UsageError, match=words):
        engine.run_jobs([], lambda *_: None, address=address)


def test_a_connection_of_somebody_elses_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook that uses Ray itself: it is neither used nor ended."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    monkeypatch.setattr(engine, "find_spec", lambda name: name)
    with pytest.raises(UsageError, match=r"not ours: ray.shutdown\(\) ends it"):
        engine.run_jobs([], lambda *_: None)


def test_without_ray_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'rnn-harness\[ray\]'"):
        engine.run_jobs([], lambda *_: None)
