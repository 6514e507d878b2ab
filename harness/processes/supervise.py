"""Start a worker, wait for it without spending CPU, and turn how it ended into a record."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import backends
from harness.machine import software, system
from harness.processes import environment
from harness.processes.channel import COMMAND, Channel, TimedOut, WorkerDied, tail
from harness.records.base import Blas, Environment
from harness.records.run import Record
from harness.specs.commandline import command_line
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec

OnProgress = Callable[[Mapping[str, float]], None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; carries the record that says so."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record


def execute(
    spec: RunSpec,
    timeout: float | None,
    on_progress: OnProgress,
    python: Path | None = None,
    version: str | None = None,
) -> Record:
    """Run ``spec`` in a process of its own and give its record, whatever becomes of it.

    Args:
        timeout: in seconds; None for as long as it takes.
        python: the interpreter of another environment, which runs this same code; None for this one's.
        version: of the framework, where it was asked for by version: the record's command then names it.

    Raises:
        Interrupted: the user stopped it; the worker is gone and the exception has the record.
    """
    variables = environment.worker_variables(spec)
    env, strays = environment.worker_environment(variables, os.environ)
    command = COMMAND
    if python is not None:
        command = (str(python), *COMMAND[1:])
        env |= {"PYTHONPATH": str(software.SOURCE)}
    heard: dict[str, Any] = {}
    interrupted = False
    with tempfile.TemporaryFile() as log:
        try:
            with closing(_converse({"spec": spec.model_dump(mode="json")}, env, log, timeout, command)) as events:
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
        record = _record(spec, heard, environment.describe(variables, strays), tail(log), version)
    if interrupted:
        raise Interrupted(record)
    return record


def refused(spec: RunSpec, reason: str, version: str | None = None) -> Record:
    """The record of a run that could not start, because its environment cannot be had."""
    variables = environment.worker_variables(spec)
    _, strays = environment.worker_environment(variables, os.environ)
    heard = {"end": "unavailable", "reason": reason}
    return _record(spec, heard, environment.describe(variables, strays), None, version)


def parity(spec: RunSpec, question: Mapping[str, Any], timeout: float | None) -> Iterator[dict[str, Any]]:
    """Compare ``spec``'s backend with the reference, in a process of its own; yields a mapping per variant, at once.

    Args:
        question: the other arguments of ``agreement.look``.
        timeout: in seconds; None for as long as it takes.

    Raises:
        WorkerDied: it could not look, or not go on; says why.
        TimedOut: it took longer than ``timeout``.
    """
    env, _ = environment.worker_environment(environment.worker_variables(spec), os.environ)
    with tempfile.TemporaryFile() as log:
        request = {"parity": spec.model_dump(mode="json"), **question}
        with closing(_converse(request, env, log, timeout)) as events:
            for event in events:
                if "agreement" in event:
                    yield event["agreement"]
                elif event.get("end", "ok") != "ok":
                    raise WorkerDied(event["reason"])


def probe(backend: str, timeout: float = 120) -> dict[str, Any]:
    """What ``backend`` has here, asked in a process of its own."""
    try:
        return _ask({"probe": backend}, timeout)
    except WorkerDied as death:
        nothing: dict[str, Any] = {"name": backend, "version": None, "versions": {}, "devices": {}, "variants": {}}
        return nothing | {"reason": f"cannot load: {death}"}


def probe_all() -> list[dict[str, Any]]:
    """What every registered backend has here, all asked at once."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(probe, backends.registry.names()))


def fields(backend: str, specs: Sequence[SpeedSpec], timeout: float = 120) -> list[dict[str, Any]]:
    """For each spec, the variants that ``backend`` has for its job, and which of them ``auto`` stands for.

    Raises:
        WorkerDied: the backend's module cannot be loaded; the last line of its log says why.
    """
    question = {"fields": backend, "specs": [spec.model_dump(mode="json") for spec in specs]}
    found: list[dict[str, Any]] = _ask(question, timeout)["fields"]
    return found


def _ask(question: Mapping[str, Any], timeout: float) -> dict[str, Any]:
    """A worker's one answer. Raises WorkerDied with the last line of its log where there is none."""
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow", **environment.device_variables()}
    env, _ = environment.worker_environment(variables, os.environ)
    with tempfile.TemporaryFile() as log:
        try:
            with closing(_converse(question, env, log, timeout)) as events:
                return dict(next(events))
        except (WorkerDied, TimedOut, StopIteration) as error:
            raise WorkerDied((tail(log) or str(error) or "no answer").strip().splitlines()[-1]) from None


def _converse(
    request: Mapping[str, Any],
    env: Mapping[str, str],
    log: IO[bytes],
    timeout: float | None,
    command: Sequence[str] = COMMAND,
) -> Generator[dict[str, Any], None, None]:
    """The worker's events as they come. The worker is gone when this ends, however it ends."""
    deadline = None if timeout is None else time.monotonic() + timeout
    channel = Channel(env, log, command)
    ended = False
    try:
        channel.send(request)
        channel.close_input()
        while (event := channel.hear(deadline)) is not None:
            ended = ended or "end" in event or not request.keys() & {"spec", "parity"}
            yield event
        how = channel.how_it_ended()
        if not ended:
            raise WorkerDied(how)
    finally:
        channel.stop()


def _record(
    spec: RunSpec, heard: Mapping[str, Any], where: Environment, log_tail: str | None, version: str | None
) -> Record:
    now = datetime.now(UTC).replace(microsecond=0)
    status = heard["end"]
    return Record(
        id=f"{now:%Y%m%dT%H%M%SZ}-{spec.task}-{spec.backend}-{spec.model.cell}-{uuid.uuid4().hex[:8]}",
        created=now,
        status=status,
        reason=heard.get("reason"),
        spec=spec,
        variant=heard.get("variant"),
        tier=heard.get("tier"),
        variant_reason=heard.get("variant_reason"),
        executed=heard.get("executed"),
        gate=heard.get("gate"),
        deterministic=heard.get("deterministic"),
        environment=where.model_copy(
            update={
                "affinity": heard.get("affinity", []),
                "versions": heard.get("libraries", where.versions) | heard.get("versions", {}),
                "packages": heard.get("packages", where.packages),
                "python": heard.get("python", where.python),
                "threads": heard.get("threads"),
                "flushes_denormals": heard.get("flushes_denormals"),
                "device_name": heard.get("device_name"),
                "blas": [Blas(**found) for found in heard.get("blas", [])],
                "gpu": (heard.get("gpu") or system.gpu()) if spec.device == "cuda" else {},
            }
        ),
        metrics=heard.get("metrics"),
        curve=heard.get("curve", []),
        noise=heard.get("noise"),
        command=command_line(spec, version),
        log_tail=log_tail if status in ("failed", "timeout") else None,
    )
