"""One run on this machine, for whoever brought it here: ``python -P -m harness.engines.node``.

Standard input has one line, a ``NodeJob``; standard output gets one, its record. Standard input stays open as long as
the one who started this lives: when it ends, the kernel kills this process and its worker, wherever they are. Waiting
and progress are told on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress

from pydantic import ValidationError

from harness.engines.job import NodeJob
from harness.errors import OK, USAGE
from harness.machine.process import die_with, pin
from harness.machine.topology import Choice
from harness.processes import virtual_environments as environments
from harness.processes.slot import Slot, slot
from harness.processes.stopping import may_stop, terminated_as_interrupted
from harness.processes.supervise import Interrupted, execute, refused
from harness.records.run import Record
from harness.specs.base import one_line

#: More CPUs than any machine has: the kernel keeps those that there are, and that the control group allows.
_EVERY_CPU = range(8192)


def main() -> int:
    """Make the run of the job on standard input; returns the exit status."""
    line = sys.stdin.buffer.readline()
    with suppress(PermissionError):  # it leads a group already
        os.setsid()
    die_with(sys.stdin.fileno())
    try:
        job = NodeJob.model_validate_json(line)
    except ValidationError as error:
        _tell(f"not a job: {one_line(error)}")
        return USAGE
    with terminated_as_interrupted():
        record = made(job)
    print(record.json_line(), flush=True)
    return OK


def made(job: NodeJob) -> Record:
    """The record of a job's run, made in this process's machine once its slot is free.

    Raises:
        KeyboardInterrupt: the user stopped it before the run began.
    """
    if hasattr(os, "sched_setaffinity"):
        pin(_EVERY_CPU)  # what the engine left to its own processes says nothing about this run
    if job.share > 1 and job.cpus is not None:
        pin(job.cpus)
    with slot(job.spec.device, on_wait=lambda: _tell("waiting for this machine's slot"), share=job.share) as held:
        return job.placed(_run(job, held))


def _run(job: NodeJob, held: Slot) -> Record:
    spec, version = job.spec, job.version
    if spec.start is not None:
        return refused(spec, "it starts from saved parameters, which do not travel; run it with harness run", version)
    cpus = job.cpus
    if held.cpus is not None:
        pin(held.cpus)
        cpus = None
    if held.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = held.gpu
    python = None
    try:
        if environments.needed(spec.backend, version):
            with may_stop():
                python = environments.find(spec.backend, version, _tell)
        return execute(spec, job.timeout, _progress, python, version, Choice(cpus))
    except environments.NotBuilt as error:
        return refused(spec, str(error), version)
    except Interrupted as interruption:
        return interruption.record


def _progress(report: Mapping[str, float]) -> None:
    """Nobody looks: what is not told disturbs nothing."""


def _tell(text: str) -> None:
    print(f"harness: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
