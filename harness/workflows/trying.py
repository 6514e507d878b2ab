"""Which runs are left to do, and trying one again where the machine and not the run is at fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from harness.errors import UsageError
from harness.processes.channel import killed_from_outside
from harness.processes.supervise import refused
from harness.records.base import Status
from harness.records.resume import NEVER_DONE
from harness.records.run import Record, Try
from harness.specs.run import RunSpec
from tasks.registry import nearest

#: What a lease says that a person has ended: no fault of the machine's.
STOPPED: Final = "stopped by the user"
#: How a lease begins to say that the run ended well and found no room: whoever has made some goes on.
NO_ROOM: Final = "its record could not be written"
#: And of a run that was under way when the study as a whole had to end.
ENDED: Final = "ended with the study"


def statuses(text: str | None) -> list[str]:
    """The statuses of ``--retry failed,timeout``; none of None.

    Raises:
        UsageError: a word is no status that a run can be retried for.
    """
    known = [status for status in get_args(Status) if status != "ok"]
    words = [word.strip() for word in text.split(",")] if text is not None else []
    for word in words:
        if word not in known:
            raise UsageError(f"--retry: {nearest('status', word[:40], known)}")
    return [word for word in words if word not in NEVER_DONE]  # those are run again whatever is said


def fault_of(record: Record) -> str | None:
    """Why a record says nothing about its run: its worker was ended by something else; None of all other records."""
    return record.reason if record.status == "failed" and killed_from_outside(record.reason) else None


@dataclass
class Tries:
    """The tries at one run so far.

    Attributes:
        most: times that it is tried again.
        former: tries that ended without a result, the first one first.
    """

    most: int
    former: list[Try] = field(default_factory=list)

    @property
    def exhausted(self) -> bool:
        """Whether faults have ended it more often than it is tried again. A person who stops it ends no try; one who
        calls again after there was no room has made some; and what ended the whole study says nothing of this run.
        """
        no_faults = (STOPPED, NO_ROOM, ENDED)
        return len([each for each in self.former if not each.reason.startswith(no_faults)]) > self.most

    def note(self, reason: str) -> None:
        """Remember that a try ended now and here without a result."""
        self.former.append(Try.on(None, reason))


def given_up(spec: RunSpec, tries: Sequence[Try], version: str | None) -> Record:
    """The record of a run that was tried often enough."""
    tried = "1 try" if len(tries) == 1 else f"{len(tries)} tries"
    reason = f"given up after {tried}, all ended by faults of the machine; the last: {tries[-1].reason}"[:1000]
    return refused(spec, reason, version, "failed").model_copy(update={"tries": list(tries)})


def tried(run: Callable[[], tuple[Record, bool]], most: int) -> tuple[Record, bool]:
    """The result of ``run``, which is called again where its record shows a fault, at most ``most`` times.

    The last record stands however it ended, with the tries before it.
    """
    tries = Tries(most)
    while True:
        record, saved = run()
        fault = fault_of(record)
        if fault is None or len(tries.former) == most:
            return record.model_copy(update={"tries": tries.former}), saved
        tries.note(fault)
