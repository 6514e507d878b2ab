"""Start a worker, wait for it without spending CPU, and turn how it ended into a record."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import IO, Any

from harness import environment
from harness.records import Environment, Record
from harness.spec import RunSpec

COMMAND = (sys.executable, "-P", "-m", "harness.worker")
GRACE_S = 2.0
LOG_TAIL_BYTES = 4000
OnProgress = Callable[[Mapping[str, float]], None]


class TimedOut(Exception):
    """The worker had its time."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; carries the record that says so."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record


def execute(spec: RunSpec, timeout: float | None, on_progress: OnProgress) -> Record:
    """Run ``spec`` in a process of its own and give its record, whatever becomes of it.

    Raises:
        Interrupted: the user stopped it; the worker is gone and the exception has the record.
    """
    variables = environment.worker_variables(spec)
    env, strays = environment.worker_environment(variables, os.environ)
    heard: dict[str, Any] = {}
    interrupted = False
    with tempfile.TemporaryFile() as log:
        try:
            with closing(_converse({"spec": spec.model_dump(mode="json")}, env, log, timeout)) as events:
                for event in events:
                    if "progress" in event:
                        on_progress(event["progress"])
                    elif "point" in event:
                        heard["curve"] = [*heard.get("curve", []), event["point"]]
                    else:
                        heard |= event
        except TimedOut:
            heard |= {"end": "timeout", "reason": f"not finished after {timeout:g} s (--timeout)"}
        except WorkerDied as death:
            heard |= {"end": "failed", "reason": str(death)}
        except KeyboardInterrupt:
            interrupted = True
            heard |= {"end": "interrupted", "reason": "stopped by the user"}
        record = _record(spec, heard, environment.describe(variables, strays), _tail(log))
    if interrupted:
        raise Interrupted(record)
    return record


def probe(backend: str, timeout: float = 120) -> dict[str, Any]:
    """What ``backend`` has here, asked in a process of its own."""
    env, _ = environment.worker_environment({"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}, os.environ)
    with tempfile.TemporaryFile() as log:
        try:
            with closing(_converse({"probe": backend}, env, log, timeout)) as events:
                return dict(next(events))
        except (WorkerDied, TimedOut, StopIteration) as error:
            last = (_tail(log) or str(error) or "no answer").strip().splitlines()[-1]
            return {"name": backend, "version": None, "devices": {}, "variants": {}, "reason": f"cannot load: {last}"}


class WorkerDied(RuntimeError):
    """The worker ended without saying how."""


def _converse(
    request: Mapping[str, Any], env: Mapping[str, str], log: IO[bytes], timeout: float | None
) -> Generator[dict[str, Any], None, None]:
    """The worker's events as they come. The worker is gone when this ends, however it ends."""
    worker = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=dict(env),
        start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops the worker
    )
    ended = False
    try:
        assert worker.stdin is not None
        assert worker.stdout is not None
        _hand_over(worker.stdin, request)
        for line in _lines(worker.stdout, timeout):
            event = json.loads(line)
            ended = ended or "end" in event or "probe" in request
            yield event
        with suppress(subprocess.TimeoutExpired):
            worker.wait(GRACE_S)
        if not ended:
            raise WorkerDied(_how_it_ended(worker.poll()))
    finally:
        _stop(worker)


def _hand_over(stdin: IO[bytes], request: Mapping[str, Any]) -> None:
    with suppress(BrokenPipeError), stdin:  # one that died at once: its exit status and log tell more
        stdin.write(json.dumps(request).encode())


def _lines(stream: IO[bytes], timeout: float | None) -> Iterator[bytes]:
    """Lines as they arrive; the process sleeps in between.

    Raises:
        TimedOut: ``timeout`` seconds went by before the stream ended.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if (left is not None and left <= 0) or not selector.select(left):
                raise TimedOut
            data = os.read(stream.fileno(), 65536)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            yield from lines


def _stop(worker: subprocess.Popen[bytes]) -> None:
    """End the worker and all that it started: politely, then not."""
    if worker.stdout:
        worker.stdout.close()
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if worker.poll() is not None:
            return
        try:
            os.killpg(worker.pid, signal_number)
            worker.wait(GRACE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    worker.wait()


def _how_it_ended(status: int | None) -> str:
    if status is None:
        return "the worker closed its output before the run was done"
    if status >= 0:
        return f"the worker exited with status {status} before the run was done"
    name = signal.Signals(-status).name
    hint = "; the system may have run out of memory" if name == "SIGKILL" else ""
    return f"the worker was killed by {name}{hint}"


def _tail(log: IO[bytes]) -> str | None:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
    home = os.environ.get("HOME") or "~"
    return log.read().decode(errors="replace").replace(home, "~").strip() or None


def _record(spec: RunSpec, heard: Mapping[str, Any], where: Environment, log_tail: str | None) -> Record:
    now = datetime.now(UTC).replace(microsecond=0)
    status = heard["end"]
    return Record(
        id=f"{now:%Y%m%dT%H%M%SZ}-{spec.task}-{spec.backend}-{spec.model.cell}-{uuid.uuid4().hex[:8]}",
        created=now,
        status=status,
        reason=heard.get("reason"),
        spec=spec,
        variant=heard.get("variant"),
        variant_reason=heard.get("variant_reason"),
        executed=heard.get("executed"),
        gate=heard.get("gate"),
        environment=where.model_copy(
            update={
                "affinity": heard.get("affinity", []),
                "versions": where.versions | heard.get("versions", {}),
                "threads": heard.get("threads"),
                "flushes_denormals": heard.get("flushes_denormals"),
                "device_name": heard.get("device_name"),
            }
        ),
        metrics=heard.get("metrics"),
        curve=heard.get("curve", []),
        log_tail=log_tail if status in ("failed", "timeout") else None,
    )
