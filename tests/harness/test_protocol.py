"""Messages survive the line; what is none is refused in one line that says why."""

from __future__ import annotations

import subprocess
import sys
import typing

import pytest

from harness import protocol

EXAMPLES: list[protocol.Message] = [
    protocol.Run({"task": "adding"}, [0, 1]),
    protocol.Run({"task": "adding"}, [0, 1], "start.npz", "keep.npz"),
    protocol.Contest({"batch": 3}, [2]),
    protocol.Parity({"task": "adding"}, [0], 3, 7, ["float64"]),
    protocol.Probe("numpy"),
    protocol.Variants("numpy", [{"batch": 3}]),
    protocol.Inspect("my_model.py", "Mine"),
    protocol.Turn(8),
    protocol.Steady(),
    protocol.ReadLimits(),
    protocol.Finish(),
    protocol.Affinity([0, 1]),
    protocol.Decided("scan", "best", "the fastest", 2, True, {"jax": "0.10"}, None, True),
    protocol.GateDone({"passed": True}),
    protocol.Progress(3, 0.5, 1000.0),
    protocol.Point({"step": 3}),
    protocol.Disturbance({"drift": None}, [{"library": "openblas"}]),
    protocol.Gpu({"name": "Imaginary"}),
    protocol.Executed("a loop"),
    protocol.Software({"numpy": "2.0"}, {"numpy": "2.0"}, "3.11.9"),
    protocol.Measured({"step_ms": None}),
    protocol.Kept(),
    protocol.Kept("No space left on device"),
    protocol.Ready({"first_s": 0.5}),
    protocol.Ready(),
    protocol.BlockDone(8, 0.25),
    protocol.Armed(),
    protocol.Limits({"gflops": [1.0]}),
    protocol.Peaks(2**20, None, 3),
    protocol.Compared("scan", "float32", 1e-3, {"loss": 1e-7}, [1.0], [1.0]),
    protocol.Probed({"name": "numpy"}),
    protocol.Listed([{"auto": "hoisted"}]),
    protocol.Inspected(["torch"]),
    protocol.End("failed", "out of memory"),
]
UNIONS = {
    protocol.Request: protocol.decode_request, protocol.Order: protocol.decode_order,
    protocol.Event: protocol.decode_event,
}  # fmt: skip


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_line(message: protocol.Message) -> None:
    (decode,) = (decode for union, decode in UNIONS.items() if type(message) in typing.get_args(union))
    line = protocol.encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


def test_every_message_has_an_example_and_is_immutable() -> None:
    kinds = {kind for union in UNIONS for kind in typing.get_args(union)}
    assert {type(example) for example in EXAMPLES} == kinds
    assert len({kind.__name__ for kind in kinds}) == len(kinds)
    with pytest.raises(AttributeError, match="immutable"):
        EXAMPLES[0].spec = {}  # type: ignore[misc,union-attr]


def test_messages_are_made_and_compared_by_their_fields() -> None:
    assert protocol.Turn(3) == protocol.Turn(steps=3) != protocol.Turn(4)
    assert protocol.Steady() != protocol.Finish()
    assert repr(protocol.BlockDone(3, 0.5)) == "BlockDone(steps=3, seconds=0.5)"
    with pytest.raises(TypeError, match="Turn lacks steps"):
        protocol.Turn()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Turn has no seconds"):
        protocol.Turn(3, seconds=1)  # type: ignore[call-arg]
    first, second = protocol.Decided("a", "best"), protocol.Decided("a", "best")
    assert first.versions is not second.versions, "a default is no shared mapping"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Traceback (most recent call last):", "not JSON: 'Traceback"),
        ("", "not JSON: ''"),
        ("[1]", "none of Turn, Steady, ReadLimits, Finish: '[1]'"),
        ('{"turn": 3}', "none of Turn"),
        ('{"kind": "Run", "spec": {}}', "none of Turn"),
        ('{"kind": "Turn"}', "Turn lacks steps"),
        ('{"kind": "Turn", "steps": 3, "seconds": 1}', "Turn has no seconds"),
        ('{"kind": "Turn", "steps": "3"}', "Turn has a wrong steps"),
        ('{"kind": "Turn", "steps": true}', "Turn has a wrong steps"),
    ],
)
def test_what_is_no_message_is_told_in_one_line(line: str, says: str) -> None:
    with pytest.raises(protocol.ProtocolError) as told:
        protocol.decode_order(line)
    assert str(told.value).startswith(says)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"kind": "End", "status": "fine"}', "End has a wrong status"),
        ('{"kind": "Affinity", "cpus": [0, "1"]}', "Affinity has a wrong cpus"),
        ('{"kind": "Gpu", "facts": {"name": 1}}', "Gpu has a wrong facts"),
        ('{"kind": "Executed", "what": null}', "Executed has a wrong what"),
    ],
)
def test_values_are_checked_into_lists_and_mappings(line: str, says: str) -> None:
    with pytest.raises(protocol.ProtocolError, match=says):
        protocol.decode_event(line)


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        protocol.encode(protocol.BlockDone(1, float("nan")))


def test_a_worker_can_read_its_request_with_the_standard_library_alone() -> None:
    """NumPy starts threads that must inherit CPUs and floating-point mode, which the request names. ``-S`` hides it."""
    read = "import harness.worker.__main__, harness.protocol as p; print(p.decode_request(p.encode(p.Probe('numpy'))))"
    done = subprocess.run([sys.executable, "-S", "-c", read], capture_output=True, text=True, check=False)
    assert done.stdout == "Probe(backend='numpy')\n", done.stderr
    assert subprocess.run([sys.executable, "-S", "-c", "import numpy"], capture_output=True).returncode
