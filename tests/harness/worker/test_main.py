"""The worker as a process: what it answers to lines that are no messages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.processes.channel import COMMAND
from harness.protocol import Contest, Decided, End, GateDone, Ready, decode_event, encode
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec

SPEC = SpeedSpec(
    backend="numpy", variant="hoisted", threads=1, model=Model(hidden=5), batch=3, length=4, features=2
).model_dump(mode="json")


def answers(lines: bytes) -> list[object]:
    done = subprocess.run(COMMAND, input=lines, capture_output=True, timeout=60)
    assert done.returncode == 1, "garbage was sent"
    return [decode_event(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello\n", "not JSON: 'hello'"),
        (b"\n", "not JSON: ''"),
        (b'{"kind": "Turn", "steps": 3}\n', "none of Run, Contest, Parity, Probe, Variants"),
        (b'{"kind": "Run"}\n', "Run lacks cpus, spec"),
    ],
)
def test_what_is_no_request_is_answered_by_an_end_that_says_so(line: bytes, says: str) -> None:
    (end,) = answers(line)
    assert isinstance(end, End)
    assert end.status == "failed"
    assert says in (end.reason or "")


@pytest.mark.skipif(sys.platform == "win32", reason="CPUs cannot be pinned")
def test_an_order_that_is_none_ends_a_contestant_that_stands_ready() -> None:
    events = answers(encode(Contest(SPEC, [min(os.sched_getaffinity(0))])) + b'{"kind": "Sleep"}\n')
    assert [type(event) for event in events[1:-1]] == [Decided, GateDone, Ready]
    assert events[-1] == End("failed", 'ProtocolError: none of Turn, Steady, ReadLimits, Finish: \'{"kind": "Sleep"}\'')
