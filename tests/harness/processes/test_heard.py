"""What a worker said, as the models that records keep."""

from __future__ import annotations

import pytest

from harness.processes.channel import WorkerDied
from harness.processes.heard import Heard
from harness.protocol import Affinity, Decided, End, Executed, GateDone, Limits, Peaks, Point, Progress

GATE = {"steps": 3, "batch": 4, "loss_distance": 0.0, "parameter_distance": 0.0, "tolerance": 1e-3, "passed": True}


def test_events_become_what_a_record_keeps() -> None:
    heard = Heard()
    for event in (
        Affinity([1]), Decided("scan", "best", threads=1), GateDone(GATE), Progress(1, 0.5, 10.0),
        Point({"step": 0, "loss": 1.0, "scores": {}, "seconds": 0.0}), Limits(), Executed("a loop"), Peaks(5),
        Limits({"gflops": [1.0], "gb_per_s": [2.0]}), End("ok"),
    ):  # fmt: skip
        heard.take(event)
    assert (heard.status, heard.reason, heard.peaks.host_peak_bytes) == ("ok", None, 5)
    assert [point.step for point in heard.curve] == [0]
    assert [reading.gflops for reading in heard.limits] == [[1.0]]
    ran = heard.ran()
    assert (ran["variant"], ran["tier"], ran["executed"], ran["gate"]) == ("scan", "best", "a loop", heard.gate)
    assert heard.in_force() == {"affinity": [1], "threads": 1, "flushes_denormals": None, "device_name": None}


def test_before_anything_was_decided_there_is_no_variant() -> None:
    assert Heard().ran() == {"executed": None, "gate": None}
    assert Heard().in_force() == {"affinity": []}


def test_what_no_record_can_keep_is_a_worker_that_died() -> None:
    with pytest.raises(WorkerDied, match="sent a GateDone that no record can keep"):
        Heard().take(GateDone({"passed": "perhaps"}))
