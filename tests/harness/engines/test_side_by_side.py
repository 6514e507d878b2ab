"""Runs that share this machine, from the command down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.machine.process import available_cpus
from harness.processes.slot import FOLDER
from harness.records.run import SPEED
from harness.records.store import read_all
from tests.harness.engines.clusters import study_in, waited_for
from tests.workers import workers_below


@pytest.mark.skipif(sys.platform == "win32" or len(available_cpus()) < 2, reason="one CPU cannot be shared")
def test_a_run_whose_process_is_killed_is_tried_again_and_no_speed_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Path
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "slots"))
    study = study_in(tmp_path, 3, "slow", steps=60)
    command = [sys.executable, "-W", "error", "-m", "harness", "study", str(study), "--share", "2"]

    def workers() -> list[psutil.Process] | None:
        found = workers_below(process.pid)
        return found if len(found) == 2 else None

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        node = waited_for(workers)[0].parent()
        assert node is not None
        node.kill()
        told, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, told + complaints
    records = read_all([tmp_path / "results"]).records
    assert sorted(record.spec.seed for record in records) == [0, 1, 2]
    assert [each.reason for record in records for each in record.tries] == [
        "the process of the run was killed by SIGKILL; the system may have run out of memory"
    ]
    for record in records:
        assert record.place is not None
        assert (record.place.engine, record.place.share) == ("local", 2)
        assert record.metrics is not None
        assert record.metrics.score
        assert all(getattr(record.metrics, name) is None for name in SPEED)
