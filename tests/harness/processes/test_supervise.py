"""Workers that end badly, each a real process, and the records they leave."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.machine.process import available_cpus
from harness.machine.topology import Choice
from harness.planning.runs import plan
from harness.processes import supervise
from harness.processes.channel import GRACE_S
from harness.processes.supervise import execute, probe
from harness.records.run import Record
from harness.records.store import Store, read_all
from harness.specs.run import RunSpec
from harness.workflows.run import run_all
from tests.workers import started_here, workers_below

pytestmark = pytest.mark.usefixtures("plugin")


def a_spec(variant: str = "good", **run: Any) -> RunSpec:
    return plan({"backend": "madeup", "task": "echo", "variant": variant, "threads": 1, **run})[0]


def ended(variant: str, timeout: float | None = 60, **run: Any) -> Record:
    return execute(a_spec(variant, **run), timeout, lambda _: None)


def test_a_third_partys_task_and_backend_run_like_our_own() -> None:
    record = ended("good")
    assert record.status == "ok", record.reason
    assert record.metrics is not None
    assert record.metrics.solved is False or record.metrics.score["mse"] < 0.5
    assert record.gate is not None
    assert record.gate.passed
    assert record.gate.parameter_distance < 1e-5
    assert record.environment.threads == 1
    assert record.environment.flushes_denormals is True
    assert len(record.environment.affinity) == 1
    assert record.environment.affinity_reason


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="CPUs cannot be named")
def test_a_run_takes_the_cpus_that_are_named_and_says_so() -> None:
    last = available_cpus()[-1:]
    record = execute(a_spec(), 60, lambda _: None, cpus=Choice(last))
    assert record.environment.affinity == last
    assert record.environment.affinity_reason == "named by --cpus"
    assert "--cpus" not in (record.command or "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_worker_that_was_stopped_for_a_while_says_so() -> None:
    """Stopped in training, as Ctrl-Z or a suspended machine does; the block that holds the pause is seen."""
    spec = a_spec("slow", steps=30, chunk=1)

    def stop_once(report: Mapping[str, float]) -> None:
        (worker,) = started_here()
        if report["step"] > 5 and not paused:
            time.sleep(0.05)  # half a step: the report comes between two blocks, where a pause would disturb no figure
            worker.suspend()
            time.sleep(1.5)
            worker.resume()
            paused.append(report["step"])

    paused: list[float] = []
    record = execute(spec, 60, stop_once)
    assert paused
    assert record.noise is not None
    assert record.noise.paused_s == pytest.approx(1.5, abs=0.4)


def test_what_libraries_print_does_not_disturb_the_events() -> None:
    assert ended("chatty").status == "ok"


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ("crash", "killed by SIGABRT"),
        ("killed", "killed by SIGKILL; the system may have run out of memory"),
        ("exits", "exited with status 7"),
        ("raises", "RuntimeError: something inside broke"),
        ("recompiles", "compiled again in the steady state"),
        ("diverges", "the loss is nan at step 1"),
        ("wrong", "did not pass the gate"),
    ],
)
def test_a_run_that_goes_wrong_leaves_a_record_that_says_how(variant: str, reason: str) -> None:
    record = ended(variant)
    assert record.status == "failed"
    assert reason in (record.reason or "")
    assert record.metrics is None


@pytest.mark.parametrize(
    ("split", "number", "where"),
    [
        ("train", 0, "train batch 0 of 8 sequences, sequence 7, step 2, feature 0"),
        ("train", 5, "train batch 5 of 8 sequences, sequence 7, step 2, feature 0"),
        ("test", 0, "test split, sequence 15, step 2, feature 0"),
    ],
)
def test_data_that_is_no_number_is_blamed_on_the_data(split: str, number: int, where: str) -> None:
    record = ended("good", task="marred", parameter=[f"split={split}", f"number={number}"])
    assert record.status == "failed"
    assert record.reason == f"the task's data has nan: input in {where} (each counted from 0)"


def test_a_run_that_fails_on_data_nobody_scaled_says_so() -> None:
    for variant, scale, hinted in (("diverges", "1e6", True), ("diverges", "1", False), ("recompiles", "1e6", False)):
        reason = ended(variant, task="marred", parameter=[f"scale={scale}"]).reason or ""
        assert ("the data is not scaled: inputs reach" in reason) is hinted, reason


def test_a_record_has_digests_of_a_third_partys_source_and_of_the_data() -> None:
    record = ended("good")
    assert set(record.environment.plugins) == {"task", "backend"}
    assert record.metrics is not None
    assert record.metrics.data_sha256 is not None
    ours = execute(plan({"backend": "numpy", "steps": 2, "threads": 1})[0], 60, lambda _: None)
    assert ours.environment.plugins == {}
    assert ours.metrics is not None
    assert ours.metrics.data_sha256 not in (None, record.metrics.data_sha256)


def test_the_log_tail_is_kept() -> None:
    assert "last words" in (ended("exits").log_tail or "")
    assert "something inside broke" in (ended("raises").log_tail or "")


def test_a_framework_that_is_not_installed_is_unavailable_with_the_command_that_installs_it() -> None:
    spec = plan({"backend": "uninstalled", "task": "echo"})[0]
    record = execute(spec, 60, lambda _: None)
    assert record.status == "unavailable"
    assert record.reason is not None
    assert record.reason.endswith("pip install a-framework-that-is-not-there")


@pytest.mark.parametrize(
    ("run", "reason"),
    [({"device": "cuda"}, "CuPy"), ({"precision": "float64"}, "has no float64; it has float32")],
)
def test_what_a_backend_cannot_do_is_unavailable_with_the_reason(run: dict[str, Any], reason: str) -> None:
    record = ended("good", **run)
    assert record.status == "unavailable"
    assert reason in (record.reason or "")


def test_a_probe_tells_variants_devices_and_reasons() -> None:
    (found,) = probe(["madeup"])
    assert found["version"] == "1.0"
    assert found["devices"]["cpu"] is None
    assert "hang" in found["variants"]
    assert found["versions"]["numpy"], "those of the backend that it is made from"
    uninstalled, nonsense = probe(["uninstalled", "nonsense"])
    assert uninstalled["versions"] == {}
    assert "pip install" in uninstalled["reason"]
    assert "cannot load" in nonsense["reason"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("command", ["list", "doctor"])
def test_an_interrupt_ends_the_workers_that_tell_what_is_there(command: str) -> None:
    """Without waiting for those that are loading a framework."""
    with subprocess.Popen([sys.executable, "-m", "harness", command], stdout=subprocess.DEVNULL) as asking:
        started: list[psutil.Process] = []
        while asking.poll() is None and len(started) < 4:
            started = psutil.Process(asking.pid).children(recursive=True)
            time.sleep(0.05)
        asking.send_signal(signal.SIGINT)
        assert asking.wait(2) == 130
    left = psutil.wait_procs(started, timeout=1)[1]
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in left)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_stopping_the_command_stops_the_worker_and_leaves_a_record(tmp_path: Path, number: signal.Signals) -> None:
    words = ["run", "--backend", "hanging", "--task", "echo", "--threads", "1", "--seed", "0", "--seed", "1"]
    command = subprocess.Popen(
        [sys.executable, "-m", "harness", *words, "--results", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ), start_new_session=True,
    )  # fmt: skip
    workers = _wait_for_worker(command.pid)
    command.send_signal(number)
    for _ in range(6000):  # an impatient user: to the very end of the process the record and the exit status stand
        if command.poll() is not None:
            break
        time.sleep(0.005)
        command.send_signal(signal.SIGINT)
    _, stderr = command.communicate(timeout=30)
    assert command.returncode == 1
    assert b"1 runs not started" in stderr
    assert [record.status for record in read_all([tmp_path]).records] == ["interrupted"]
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_run_that_has_just_ended_is_kept_and_the_next_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while the parent collects what it has heard of the run."""
    collect = supervise._environment

    def interrupted(*about: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return collect(*about)

    monkeypatch.setattr(supervise, "_environment", interrupted)
    assert not run_all([a_spec(), a_spec(seed=1)], Store(tmp_path), 60, json_lines=True)
    assert [record.status for record in read_all([tmp_path]).records] == ["ok"]
    assert "interrupted; 1 runs not started" in capsys.readouterr().err


def _wait_for_worker(parent: int) -> list[psutil.Process]:
    """The worker, once it has imported NumPy and so is on its way into training."""
    for _ in range(600):
        workers = workers_below(parent)
        if workers and any("numpy" in m.path for m in workers[0].memory_maps()):
            return workers
        time.sleep(0.05)
    raise AssertionError("no worker started")


def test_a_run_past_its_time_is_stopped_and_its_parent_slept_meanwhile() -> None:
    """The parent's CPU time stays under 1 % of the run's wall time (the figure of a longer run is in docs/)."""
    spec = a_spec("hang")  # planning reads what is installed: that is no waiting
    gc.collect()  # else the garbage of all tests before this one may fall into its seconds
    parent = psutil.Process()
    before, start = parent.cpu_times(), time.monotonic()
    record = execute(spec, 12, lambda _: None)
    after, wall = parent.cpu_times(), time.monotonic() - start
    assert record.status == "timeout"
    assert record.reason == "not finished after 12 s (--timeout)"
    assert [point.step for point in record.curve] == [0], "what was measured until then is kept"
    assert wall < 12 + 3 * GRACE_S
    assert not started_here()
    assert (after.user + after.system) - (before.user + before.system) < 0.01 * wall
