"""A worker process and its channel: what is heard of programs that do not speak as a worker does."""

from __future__ import annotations

import math
import os
import sys
import time

import psutil
import pytest

from harness.processes.channel import GRACE_S, Channel, TimedOut, WorkerDied, until
from harness.protocol import End, Executed, Probe
from tests.workers import started_here


def speaking(code: str) -> Channel:
    """A program in the place of a worker."""
    return Channel({}, (sys.executable, "-c", code))


def test_events_come_as_they_are_said_until_the_end() -> None:
    said = r'print("{\"kind\": \"Executed\", \"what\": \"a\"}\n{\"kind\": \"End\", \"status\": \"ok\"}", flush=True)'
    with speaking(said) as worker:
        assert list(worker.conversation(Probe("numpy"), until(20))) == [Executed("a"), End("ok")]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("print('hello')", "the worker sent an invalid message: not JSON: 'hello'"),
        ("""print('{"kind": "Nonsense"}')""", "the worker sent an invalid message: none of Affinity"),
        ("""print('{"kind": "End"}')""", "the worker sent an invalid message: End lacks status"),
        ("""print('{"kind": "Executed", "what": "a"}')""", "exited with status 0 before the run was done"),
        ("raise SystemExit(3)", "exited with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)", r"killed by SIGRTMIN\+3"),
        ("import os; os.close(1); os.close(0); import time; time.sleep(60)", "closed its output before"),
    ],
)
def test_who_says_nothing_that_is_understood_has_died(code: str, says: str) -> None:
    with speaking(code) as worker, pytest.raises(WorkerDied, match=says):
        list(worker.conversation(Probe("numpy"), until(20)))


def test_who_says_nothing_is_waited_for_until_the_deadline() -> None:
    with speaking("import time; time.sleep(60)") as worker, pytest.raises(TimedOut):
        worker.hear(until(0.2))


def test_a_worker_that_ignores_a_polite_end_is_killed_with_what_it_started() -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "sys.stderr.write('ready'); sys.stderr.flush(); time.sleep(60)"
    )
    worker = speaking(code)
    while worker.tail() != "ready":
        time.sleep(0.02)
    children = started_here()
    assert len(children) == 2
    start = time.monotonic()
    worker.stop()
    worker.stop()  # a second time there is nothing to do
    assert time.monotonic() - start < 3 * GRACE_S
    assert not started_here()


def test_any_number_of_seconds_can_be_waited() -> None:
    with speaking("import time; time.sleep(0.3)") as worker:
        assert worker.hear(until(1e300)) is None
    with speaking("import time; time.sleep(0.3)") as worker:
        assert worker.hear(until(math.inf)) is None


def test_what_a_worker_that_died_has_started_is_ended_too() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with speaking(code) as worker:
        assert worker.how_it_ended() == "the worker exited with status 0 before the run was done"
    deadline = time.monotonic() + 1
    while left := [each for each in psutil.process_iter() if _in_group(each, worker.process.pid)]:
        assert time.monotonic() < deadline, left  # killed, but the kernel may need a moment to end it


def _in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def test_the_log_hides_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    with speaking("import sys; print('/home/somebody/x', file=sys.stderr)") as worker:
        worker.how_it_ended()
        assert worker.tail() == "~/x"


def test_variables_that_say_nothing_of_the_measurement_are_not_among_those_kept() -> None:
    code = "import os, sys; print(os.environ['KEPT'], os.environ['BESIDE'], file=sys.stderr)"
    with Channel({"KEPT": "1"}, (sys.executable, "-c", code), {"BESIDE": "2"}) as worker:
        worker.how_it_ended()
        assert worker.tail() == "1 2"
        assert worker.variables == {"KEPT": "1"}
