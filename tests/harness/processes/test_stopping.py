"""Signals that ask to stop: held back, raised once, and what they leave of a command and its workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.processes.stopping import SIGNALS, asked_to_stop, may_stop, postpone, terminated_as_interrupted
from tests.workers import workers_below

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_until_something_may_stop(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    kept = False
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():  # noqa: PT012
        os.kill(os.getpid(), number)
        assert asked_to_stop()
        kept = True
        with may_stop():
            raise AssertionError("it came before")
    assert kept
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_end_what_the_first_began() -> None:
    with terminated_as_interrupted():
        with pytest.raises(KeyboardInterrupt), may_stop():  # noqa: PT012
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked_to_stop()


def test_a_signal_can_be_put_off_and_is_forgotten_at_the_end() -> None:
    assert not postpone()
    with terminated_as_interrupted():
        with pytest.raises(KeyboardInterrupt), may_stop():
            os.kill(os.getpid(), signal.SIGINT)
        assert postpone()
        with terminated_as_interrupted():
            assert asked_to_stop()
        with pytest.raises(KeyboardInterrupt), may_stop():
            pass
    with terminated_as_interrupted(), may_stop():
        assert not asked_to_stop()


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminated_as_interrupted():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked_to_stop()
    finally:
        signal.signal(signal.SIGHUP, before)


#: Makes its standard input the terminal of its session, then becomes Python with the words that follow.
ON_ITS_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.usefixtures("plugin")
@pytest.mark.skipif(sys.platform != "linux", reason="closing a terminal")
def test_a_closed_terminal_leaves_a_record_and_no_worker(tmp_path: Path) -> None:
    """The command draws on a terminal of its own, in a session of its own, as in a window."""
    import pty

    ours, theirs = pty.openpty()
    words = ["run", "--backend", "hanging", "--task", "echo", "--threads", "1", "--results", str(tmp_path)]
    command = subprocess.Popen(
        [sys.executable, "-c", ON_ITS_TERMINAL, "-m", "harness", *words], stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    workers = workers_of(command.pid)
    os.close(ours)
    try:
        assert command.wait(20) == 1
        (path,) = tmp_path.glob("*.json")
        assert '"status": "interrupted"' in path.read_text()
        assert not alive(workers)
    finally:
        for each in filter(lambda each: alive([each]), workers):
            each.kill()


IN_A_LONG_TURN = """
import sys, time
from harness.machine.process import available_cpus
from harness.processes.contestant import Contestant
from harness.protocol import Turn
from harness.specs.base import Model
from harness.specs.speed import SpeedSpec

spec = SpeedSpec(backend=sys.argv[1], threads=1, model=Model(hidden=64), batch=32, length=50, features=2)
contestant = Contestant(spec)
contestant.begin(available_cpus()[:1])
contestant.get_ready()
contestant.channel.send(Turn(spec.chunk * 100_000))
print(contestant.channel.process.pid, flush=True)
time.sleep(60)
"""
#: Starts a child, then computes in C without ever letting another thread of Python run.
BUSY_WITH_A_CHILD = """
import os, subprocess, sys
from harness.machine.process import LIFELINE, die_with
die_with(int(os.environ[LIFELINE]))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
sum(iter(int, 1))
"""
A_PARENT_OF_IT = f"""
import os, sys, time
from threading import Thread
from harness.processes.channel import Channel

def start():
    channels.append(Channel({{}}, (sys.executable, "-c", {BUSY_WITH_A_CHILD!r})))
    print(os.read(channels[0].process.stdout.fileno(), 100).decode().strip(), channels[0].process.pid, flush=True)

channels = []
starter = Thread(target=start)
starter.start()
starter.join()
time.sleep(60)
"""


@pytest.mark.parametrize("backend", ["numpy", "torch", "tensorflow", "jax"])
def test_no_worker_outlives_a_parent_that_was_killed(backend: str) -> None:
    pytest.importorskip(backend)
    left_by_a_killed(IN_A_LONG_TURN, backend, after_s=0.2)


def test_nor_does_what_a_worker_started_nor_a_worker_that_a_thread_started() -> None:
    """The thread that started the worker has ended by then: that alone must not end the worker."""
    left_by_a_killed(A_PARENT_OF_IT, after_s=0.5)


def left_by_a_killed(parent: str, *words: str, after_s: float) -> None:
    """Kill a parent once it has told its workers' processes: they live until then, and no second longer."""
    with subprocess.Popen([sys.executable, "-c", parent, *words], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        try:
            workers = [psutil.Process(int(number)) for number in command.stdout.readline().split()]
            time.sleep(after_s)
            assert workers
            assert all(alive([worker]) for worker in workers)
        finally:
            command.kill()
    deadline = time.monotonic() + 1
    while alive(workers) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = [worker for worker in workers if alive([worker])]
    for worker in left:
        worker.kill()
    assert not left


def workers_of(parent: int) -> list[psutil.Process]:
    """The workers of a command, once there are some."""
    for _ in range(600):
        if workers := workers_below(parent):
            return workers
        time.sleep(0.05)
    raise AssertionError("no worker started")


def alive(processes: list[psutil.Process]) -> bool:
    """Whether any of them still computes; a zombie does not."""

    def computes(each: psutil.Process) -> bool:
        try:
            return each.is_running() and each.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return any(map(computes, processes))
