"""Start a worker, wait for it without spending CPU, and turn how it ended into a record."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import backends
from harness.machine import software, system
from harness.machine.personal import impersonal
from harness.machine.topology import Choice
from harness.processes import environment, here
from harness.processes.channel import COMMAND, Channel, TimedOut, WorkerDied, until
from harness.processes.heard import Heard
from harness.processes.stopping import postpone
from harness.protocol import (
    Compared,
    End,
    Event,
    Inspect,
    Inspected,
    Kept,
    Listed,
    Parity,
    Probe,
    Probed,
    Progress,
    Request,
    Run,
    Variants,
)
from harness.records.base import Environment, Status
from harness.records.run import Record
from harness.specs.commandline import command_line
from harness.specs.own import file_of
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec

Answer = TypeVar("Answer", bound=Event)
#: Seconds that a worker may take over one question.
ANSWER_S = 120.0
OnProgress = Callable[[Mapping[str, float]], None]


@dataclass
class Files:
    """Files through which a run's arrays pass, which exist as long as it does: see ``protocol.Run``.

    Attributes:
        start: holds the parameters to start from; None to draw them.
        keep: takes what is to be kept; None for nothing.
        problem: why the worker could not write ``keep``; None where it could, and before.
    """

    start: Path | None = None
    keep: Path | None = None
    problem: str | None = None


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
    cpus: Choice | None = None,
    files: Files | None = None,
    updates: int | None = None,
) -> Record:
    """Execute ``spec`` in a worker; returns its record, however the run ends.

    Args:
        timeout: in seconds; None for as long as it takes.
        on_progress: called with ``step``, ``loss`` and ``sequences_per_second`` as training goes.
        python: the interpreter of another environment, which runs this same code; None for this one's.
        version: of the framework, if one was asked for; the record's command then names it.
        cpus: those to choose the worker's from; None for all that this process may use.
        files: through which arrays pass; None for none.
        updates: after which to end, as if for want of patience; None for all. The record of such a run is none to keep.

    Raises:
        Interrupted: the user stopped it; the worker is gone and the exception has the record.
    """
    heard = Heard()
    interrupted = False
    chosen = (cpus or Choice()).of(spec.threads)
    command, extra = COMMAND, {}
    if python is not None:
        command, extra = (str(python), *COMMAND[1:]), {"PYTHONPATH": str(software.SOURCE)}
    files = files or Files()
    start, keep = (None if each is None else str(each) for each in (files.start, files.keep))
    request = Run(spec.model_dump(mode="json"), chosen.cpus, start, keep, file_of(spec.model), updates)
    with Channel(environment.worker_variables(spec), command, extra) as worker:
        try:
            for event in worker.conversation(request, until(timeout)):
                if isinstance(event, Progress):
                    on_progress(vars(event))
                elif isinstance(event, Kept):
                    files.problem = event.problem
                heard.take(event)
        except TimedOut:
            heard.end("timeout", f"not finished after {timeout:g} s (--timeout)")
        except WorkerDied as death:
            heard.end("failed", str(death))
        except KeyboardInterrupt:
            # a run that has ended is kept as it ended; the signal then stops what comes next
            if heard.status is None or not postpone():
                interrupted = True
                heard.end("interrupted", "stopped by the user")
        heard.log_tail = worker.tail()
        where = environment.describe(worker.variables, worker.strays, chosen)
        record = _record(spec, heard, where, version)
    if interrupted:
        raise Interrupted(record)
    return record


def refused(spec: RunSpec, reason: str, version: str | None = None, status: Status = "unavailable") -> Record:
    """The record of a run for which no worker was started, such as one whose environment could not be built."""
    variables = environment.worker_variables(spec)
    _, strays = environment.worker_environment(variables, os.environ)
    heard = Heard(status=status, reason=reason)
    return _record(spec, heard, environment.describe(variables, strays), version)


def parity(
    spec: RunSpec, question: Mapping[str, Any], timeout: float | None, cpus: Choice | None = None
) -> Iterator[Compared]:
    """Compare ``spec``'s backend with the reference in a worker; yields each variant as soon as it is done.

    Args:
        question: ``updates``, ``drift`` and ``precisions`` of ``protocol.Parity``.
        timeout: in seconds; None for as long as it takes.
        cpus: as in ``execute``.

    Raises:
        WorkerDied: it could not start, or broke down; says why.
        TimedOut: it took longer than ``timeout``.
    """
    request = Parity(spec.model_dump(mode="json"), (cpus or Choice()).of(spec.threads).cpus, **question)
    with Channel(environment.worker_variables(spec)) as worker:
        for event in worker.conversation(request, until(timeout)):
            if isinstance(event, Compared):
                yield event
            elif isinstance(event, End) and event.status != "ok":
                raise WorkerDied(event.reason or event.status)


@contextmanager
def probing(names: Sequence[str] | None = None) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Workers that find version, devices and variants of backends on this machine, all at once, until it is left.

    Args:
        names: of the backends; None for all registered ones.

    Yields:
        What waits for the mappings of ``protocol.Probed``, in the order of ``names``; the ``reason`` in each is why the
        backend cannot be used, or None.
    """
    names = backends.registry.names() if names is None else names
    with _asking([Probe(name) for name in names], Probed) as answers:
        yield lambda: [_probed(name, found) for name, found in zip(names, answers(), strict=True)]


def _probed(backend: str, found: Probed | WorkerDied) -> dict[str, Any]:
    if isinstance(found, Probed):
        return found.backend
    nothing: dict[str, Any] = {"name": backend, "version": None, "versions": {}, "devices": {}, "variants": {}}
    return nothing | {"reason": f"cannot load: {found}"}


def probe(names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """What ``probing`` finds."""
    with probing(names) as answers:
        return answers()


def variants_for(specs: Mapping[str, Sequence[SpeedSpec]]) -> dict[str, list[dict[str, Any]] | WorkerDied]:
    """By backend, for each of its specs: the variants that it has for that job, and the one that ``auto`` chooses; or
    why the backend's module cannot be loaded, as the last line of its log says it.
    """
    questions = [Variants(name, [spec.model_dump(mode="json") for spec in of]) for name, of in specs.items()]
    with _asking(questions, Listed) as answers:
        found = answers()
    return {name: each.specs if isinstance(each, Listed) else each for name, each in zip(specs, found, strict=True)}


def inspect(file: Path, name: str, timeout: float | None = None) -> Inspected:
    """Which backend trains what a user's file defines as ``name``; the file runs in a worker alone.

    Args:
        timeout: seconds that this may take; None for ``ANSWER_S``.
    """
    limit = ANSWER_S if timeout is None else timeout
    late = f"{file.name} was not imported within {limit:g} s; --timeout allows another time"
    with _asking([Inspect(str(file), name)], Inspected, limit, late) as answers:
        [found] = answers()
    return found if isinstance(found, Inspected) else Inspected(problem=str(found))


@contextmanager
def _asking(
    questions: Sequence[Request], kind: type[Answer], timeout: float = ANSWER_S, late: str | None = None
) -> Iterator[Callable[[], list[Answer | WorkerDied]]]:
    """A worker for each question, all at work at once; what waits for their answers. An interrupt ends them all.

    Args:
        late: what is said of one that does not answer within ``timeout`` seconds; None for the last line of its log.
    """
    variables = {"TF_CPP_MIN_LOG_LEVEL": "2", **environment.device_variables()}
    deadline = until(timeout)
    with ExitStack() as stack:
        keras = [environment.keras_computes_on(getattr(question, "backend", None)) for question in questions]
        workers = [stack.enter_context(Channel({**variables, "KERAS_BACKEND": on})) for on in keras]
        for worker in workers:  # all are told to end before the first is waited for
            stack.callback(worker.dismiss)
        for worker, question in zip(workers, questions, strict=True):
            worker.ask(question)
        yield lambda: [_answer(worker, kind, deadline, late) for worker in workers]


def _answer(
    worker: Channel, kind: type[Answer], deadline: float | None, late: str | None = None
) -> Answer | WorkerDied:
    """A worker's only answer; or, where there is none, the last line of its log, or what is said of one too late."""
    why = "no answer"
    try:
        for event in worker.events(deadline):
            if isinstance(event, kind):
                return event
    except (WorkerDied, TimedOut) as error:
        if late and isinstance(error, TimedOut):
            return WorkerDied(late)
        why = str(error) or why
    return WorkerDied((worker.tail() or why).strip().splitlines()[-1])


def _record(spec: RunSpec, heard: Heard, where: Environment, version: str | None) -> Record:
    now = datetime.now(UTC).replace(microsecond=0)
    assert heard.status is not None
    return Record(
        id=f"{now:%Y%m%dT%H%M%SZ}-{spec.task}-{spec.backend}-{spec.model.cell}-{uuid.uuid4().hex[:8]}",
        created=now,
        status=heard.status,
        reason=heard.reason and impersonal(heard.reason),
        spec=spec,
        **heard.ran(),
        deterministic=heard.decided.deterministic if heard.decided else None,
        environment=_environment(where, heard, spec, version),
        metrics=heard.metrics if heard.status == "ok" else None,
        curve=heard.curve,
        noise=heard.noise,
        command=command_line(spec, version),
        log_tail=heard.log_tail if heard.status in ("failed", "timeout") else None,
    )


def _environment(where: Environment, heard: Heard, spec: RunSpec, version: str | None) -> Environment:
    """Where the run happened: what this process sees, and what the worker found in force."""
    found: dict[str, Any] = {"blas": heard.blas, **heard.in_force()}
    versions = where.versions
    if heard.software:
        versions = heard.software.libraries
        found |= {name: getattr(heard.software, name) for name in ("packages", "python", "plugins")}
    else:
        found |= here.installed(spec, version)
    if heard.decided:
        versions = versions | heard.decided.versions
    if spec.device == "cuda":
        found["gpu"] = heard.gpu or system.gpu()
    return where.model_copy(update={"versions": versions, **found})
