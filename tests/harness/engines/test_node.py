"""One run on this machine as engines start it: a real process, its record, and what becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.engines.command import COMMAND, run_job
from harness.engines.job import NodeJob, answered
from harness.machine.personal import alias
from harness.machine.process import available_cpus
from harness.planning.runs import plan
from harness.processes.slot import FOLDER
from harness.records.run import SPEED, Record, StudyMark
from tests.workers import workers_below

pytestmark = [
    pytest.mark.usefixtures("plugin"),
    pytest.mark.skipif(sys.platform == "win32", reason="no worker runs there"),
]


@pytest.fixture(autouse=True)
def _own_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "slots"))


def a_job(variant: str = "good", spec: Mapping[str, Any] | None = None, **job: Any) -> NodeJob:
    [made] = plan({"backend": "madeup", "task": "echo", "variant": variant, "threads": 1, **(spec or {})})
    return NodeJob(spec=made, **job)


def record_of(job: NodeJob) -> Record:
    node, record, fault = answered(run_job(job.json_line()))
    assert record is not None, fault
    assert node == os.uname().nodename
    return record


def test_a_job_comes_back_as_a_record_that_says_where_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing that the engine set for its own processes reaches the worker: neither variables nor CPUs."""
    for name in ("RAY_JOB_ID", "RAY_ADDRESS", "SLURM_JOB_ID", "OMP_NUM_THREADS", "OMP_PROC_BIND"):
        monkeypatch.setenv(name, "7")
    study = StudyMark(name="mine", sha256="0" * 64)
    job = a_job(engine="ray", study=study).after("other", "its machine was lost")
    every = available_cpus()
    if len(every) > 1:
        os.sched_setaffinity(0, every[:1])
    try:
        record = record_of(job)
    finally:
        os.sched_setaffinity(0, every)
    assert record.status == "ok", record.reason
    assert record.spec == job.spec
    assert record.study == study
    assert record.place is not None
    assert (record.place.engine, record.place.node, record.place.share) == ("ray", alias(), 1)
    assert [(each.node, each.reason) for each in record.tries] == [(alias("other"), "its machine was lost")]
    assert record.metrics is not None
    assert record.metrics.train_sequences_per_second is not None
    assert record.environment.variables["OMP_NUM_THREADS"] == "1"
    assert not {name for name in record.environment.variables if name.startswith(("RAY_", "SLURM_"))}
    if len(every) > 1:
        assert record.environment.affinity_reason != "all that may be used"


def test_two_at_once_are_one_after_the_other() -> None:
    """Each of 30 updates takes 0.1 s: side by side they would overlap by seconds."""
    with ThreadPoolExecutor(2) as pool:
        started = time.monotonic()
        records = list(pool.map(record_of, [a_job("slow", {"steps": 10, "seed": seed}) for seed in (1, 2)]))
        took = time.monotonic() - started
    alone = [record.metrics.wall_s for record in records if record.metrics]
    assert len(alone) == 2
    assert took > sum(alone)


@pytest.mark.skipif(len(available_cpus()) < 2, reason="one CPU cannot be shared")
def test_sharing_runs_are_side_by_side_on_their_own_cpus_and_measure_no_speed() -> None:
    with ThreadPoolExecutor(2) as pool:
        records = list(pool.map(record_of, [a_job("slow", {"steps": 10, "seed": s}, share=2) for s in (1, 2)]))
    assert not set(records[0].environment.affinity) & set(records[1].environment.affinity)
    for record in records:
        assert record.place is not None
        assert record.place.share == 2
        assert record.metrics is not None
        assert record.metrics.score
        assert {name: getattr(record.metrics, name) for name in SPEED} == dict.fromkeys(SPEED)
    [first, second] = sorted(records, key=lambda record: record.created)
    assert (second.created - first.created).total_seconds() < 2


def worker_of(process: psutil.Process, within: float = 30) -> psutil.Process:
    """The worker below a process, as soon as it is there."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if workers := workers_below(process.pid):
            return workers[0]
        time.sleep(0.05)
    raise AssertionError("no worker was started")


def gone(process: psutil.Process, within: float = 10) -> bool:
    try:
        process.wait(within)
    except psutil.TimeoutExpired:
        return False
    return True


def test_no_orphan_is_left_by_whoever_dies_after_starting_it(tmp_path: Path) -> None:
    """SIGKILL to the starter, which can do nothing about it any more."""
    job = a_job("slow", {"steps": 500})
    (tmp_path / "job").write_text(job.json_line())
    code = f"from harness.engines.command import run_job; run_job(open({str(tmp_path / 'job')!r}).read())"
    with subprocess.Popen([sys.executable, "-c", code]) as starter:
        worker = worker_of(psutil.Process(starter.pid))
        [node] = psutil.Process(starter.pid).children()
        starter.send_signal(signal.SIGKILL)
    assert gone(node)
    assert gone(worker)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_ends_a_run_from_outside_is_told(number: signal.Signals) -> None:
    """SIGKILL leaves no record, and the starter says so; SIGTERM one that says interrupted."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(run_job, a_job("slow", {"steps": 500}).json_line())
        worker = worker_of(psutil.Process())
        node = worker.parent()
        assert node is not None
        node.send_signal(number)
        _, record, fault = answered(answer.result(20))
    assert gone(worker)
    if number == signal.SIGKILL:
        assert fault == "the process of the run was killed by SIGKILL; the system may have run out of memory"
    else:
        assert record is not None
        assert record.status == "interrupted"


def test_a_run_that_cannot_be_made_here_is_a_record() -> None:
    job = a_job()
    elsewhere = job.model_copy(update={"spec": job.spec.model_copy(update={"start": "0" * 64})})
    assert record_of(elsewhere).status == "unavailable"


def test_what_is_no_job_is_named_in_a_line() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write('{"spec": 1}\n')
        process.stdin.flush()
        told = process.stderr.read()
        assert process.wait() == 2
    assert told.startswith("harness: not a job: ")
    assert told.count("\n") == 1
