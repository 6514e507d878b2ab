"""What travels to a machine: one run, as a line of JSON; and what its record says of that journey."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from harness.errors import UsageError
from harness.processes.supervise import refused
from harness.records.base import Status
from harness.records.run import Engine, Place, Record, Try
from harness.records.store import StoreError, parsed
from harness.specs.base import Count, Frozen, Positive, StudyMark
from harness.specs.run import RunSpec


class NodeJob(Frozen):
    """One run of a study, and how it is to be made.

    Attributes:
        version: of the framework, where a certain one is asked for.
        timeout: seconds that the run may take.
        cpus: those that the user named; None for all of the machine.
        engine: what brings it to the machine.
        share: runs side by side on a machine; above 1, no speed is measured.
        tries: earlier ones that left no record.
    """

    spec: RunSpec
    version: str | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None
    cpus: list[Count] | None = None
    study: StudyMark | None = None
    engine: Engine = "local"
    share: Positive = 1
    tries: tuple[Try, ...] = ()

    def after(self, node: str, reason: str) -> NodeJob:
        """The same job once more, after a try that ended just now on ``node`` for that reason."""
        return self.model_copy(update={"tries": (*self.tries, Try.on(node, reason))})

    def placed(self, record: Record, node: str | None = None) -> Record:
        """The record of this job's run, with the study, the machine and the tries; without speed where it was shared.

        Args:
            node: the machine's name; None for this one.
        """
        place = Place.on(node, self.engine, self.share)
        metrics = record.metrics
        if metrics is not None and self.share > 1:
            metrics = metrics.without_speed()
        return record.model_copy(
            update={"study": self.study, "place": place, "tries": list(self.tries), "metrics": metrics}
        )

    def lost(self, node: str, reason: str, status: Status = "failed") -> Record:
        """The record of this job where no machine made one: it says why, and describes the machine that writes it.

        Args:
            node: the machine on which it was tried last.
        """
        record = refused(self.spec, reason, self.version).model_copy(update={"status": status})
        return self.placed(record, node)


#: What a job does now: it waits in an engine, runs on a node, or was lost with one and is tried again.
State = Literal["submitted", "running", "lost"]
#: Called with a job, its tries included, and its record.
OnRecord = Callable[[NodeJob, Record], None]
#: Called with a job, what it does now, and the node or the reason.
OnState = Callable[[NodeJob, State, str], None]


def answered(answer: str) -> tuple[str, Record | None, str | None]:
    """What ``harness.engines.command`` says: the node, the record, or the fault for which there is none.

    A first answer has the node alone. A record that did not arrive whole is a fault: its digest shows it.

    Raises:
        UsageError: the node did not understand the job.
    """
    found = json.loads(answer)
    if "refused" in found:
        raise UsageError(f"{found['node']}: {found['refused']}; install the same version of rnn-harness there")
    node, text, fault = str(found["node"]), found.get("record"), found.get("fault")
    if text is None:
        return node, None, fault
    try:
        record = parsed(text.encode(), "what came back")[0]
    except StoreError as error:
        return node, None, str(error)
    return (node, record, None) if isinstance(record, Record) else (node, None, "what came back is no record of a run")
