"""Start ``harness.engines.node`` on this machine and wait for its answer. Standard library only.

An engine runs this on the machine that it has chosen: the text of a job comes in, a text goes back.
"""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

COMMAND = (sys.executable, "-P", "-m", "harness.engines.node")
_TAIL_BYTES = 2000
#: As in ``harness.errors``: the node did not understand the job.
_USAGE = 2


class Starter:
    """Starts nodes' processes and waits for their answers, from several threads; ``kill`` ends all of them."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._killed = False

    def run(self, text: str) -> str:
        """Make the run of a job on this machine; it dies with the process that called this.

        Args:
            text: a ``NodeJob`` as one line of JSON.

        Returns:
            JSON: an object with ``node``, this machine's name, and one of ``record``, the record as text, ``fault``,
            why there is none, and ``refused``, why there never will be.
        """
        with tempfile.TemporaryFile() as log, subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        ) as process:  # fmt: skip
            self._running.add(process)
            try:
                if self._killed:
                    process.kill()
                answer = _answer(process, text)
            finally:
                self._running.discard(process)
            return _said(process.returncode, answer, log)

    def kill(self) -> None:
        """End what runs, and what is started from now on; whoever waits for it gets a fault."""
        self._killed = True
        for process in list(self._running):
            process.kill()


def run_job(text: str) -> str:
    """``Starter.run`` of one job."""
    return Starter().run(text)


def _answer(process: subprocess.Popen[bytes], text: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()  # and not closed: its end would be this process's
    except BrokenPipeError:
        pass  # how it ended says why
    try:
        answer = process.stdout.read().decode()
        process.wait()
    except BaseException:
        process.kill()
        raise
    return answer


def _said(status: int, answer: str, log: IO[bytes]) -> str:
    if status == 0 and answer.strip():
        return json.dumps({"node": platform.node(), "record": answer.splitlines()[-1]})
    log.seek(0)
    told = log.read()[-_TAIL_BYTES:].decode(errors="replace").strip().splitlines()
    last = told[-1].removeprefix("harness: ") if told else ""
    if status == _USAGE:
        return json.dumps({"node": platform.node(), "refused": last})
    return json.dumps({"node": platform.node(), "fault": _fault(status, last)})


def telling(text: str) -> Iterator[str]:
    """``run_job``, but the first answer comes at once and has ``node`` alone: where the run is."""
    yield json.dumps({"node": platform.node()})
    yield run_job(text)


def _fault(status: int, told: str) -> str:
    if status >= 0:
        return f"the process of the run ended with status {status}" + (f": {told}" if told else "")
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"the process of the run was killed by {name}{hint}"
