"""A study's runs on this machine, one after the other, each alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from io import StringIO
from typing import Final

from harness.machine.topology import Choice
from harness.planning.studies import Planned
from harness.presentation.screen import Screen
from harness.processes.leases import Lease, renewed
from harness.processes.slot import slot
from harness.processes.stopping import asked_to_stop, may_stop, terminated_as_interrupted
from harness.processes.supervise import Interrupted
from harness.records.run import Record
from harness.records.store import StoreError
from harness.text import counted
from harness.workflows.common import complain
from harness.workflows.quiet import Quiet
from harness.workflows.run import OneRun, run_one
from harness.workflows.trying import NO_ROOM, STOPPED, Tries, fault_of, given_up
from harness.workflows.work import NoRoom, Outcome, Told, Work, taken

#: Seconds between two looks at runs that others hold.
LOOK_S: Final = 1.0


def local(work: Work, cpus: Sequence[int] | None = None, one: bool = False, quiet: Quiet | None = None) -> Outcome:
    """Do what is left here, one run after the other; of runs that others hold, only those that they leave.

    Args:
        cpus: those that the user named; None for all that this process may use.
        one: end after one run.
        quiet: looks at what others compute before each run; None for no look.
    """
    stderr = Screen(stderr=True)
    outcome = Outcome()
    with terminated_as_interrupted(), Told(work, stderr).shown() as told:
        if quiet:
            quiet.tell = lambda text: told.say(f"harness: {text}")
        try:
            while True:
                held = []
                for planned in work.left():
                    if asked_to_stop():
                        raise KeyboardInterrupt
                    lease = taken(work, planned)
                    record = None if lease is None else _made(work, planned, lease, cpus, told, quiet)
                    if record is None:
                        held.append(planned)
                        continue
                    outcome.made += 1
                    told.record(record)
                    if one:
                        return outcome
                work.done.refresh()
                held = [planned for planned in held if work.finished(planned) is None]
                if all(work.leases.is_sure(planned.anywhere) for planned in held):
                    outcome.elsewhere = len(held)
                    return outcome
                told.now(f"waits for {counted(len(held), 'run')} that another machine may be at work on")
                with may_stop():
                    time.sleep(LOOK_S)
        except KeyboardInterrupt:
            outcome.stopped = True
        except Disturbed as disturbed:
            outcome.stopped = True
            complain(disturbed, stderr)
        except NoRoom as full:
            complain(full.error, stderr)
            outcome.full = True
    return outcome


class Disturbed(RuntimeError):
    """Others are busy, and quiet was required; the message says who."""


def _made(
    work: Work, planned: Planned, lease: Lease, cpus: Sequence[int] | None, told: Told, quiet: Quiet | None
) -> Record | None:
    """Run what was taken until there is a record of it; None where another has taken it over meanwhile.

    Raises:
        KeyboardInterrupt: the user stopped it; the lease is given up.
        Disturbed: others are busy, and quiet was required; likewise.
        NoRoom: its record could not be written, often enough.
    """
    unwritten = 0
    while True:
        tries = Tries(work.study.tries, lease.tries)
        try:
            if tries.exhausted:
                return work.keep(given_up(planned.spec, lease.tries, planned.version), planned, lease)
            record = _run(work, planned, lease, cpus, told, quiet)
            if record.before and record.before.refused:
                raise Disturbed(record.reason or "others are busy")
            fault = fault_of(record)
            if fault is None:
                return work.keep(record, planned, lease)
        except (KeyboardInterrupt, Disturbed):
            lease.give_up(STOPPED)
            raise
        except StoreError as error:
            fault = f"{NO_ROOM}: {error}"[:900]
            unwritten += 1
            if unwritten > work.study.tries:
                lease.give_up(fault)
                raise NoRoom(error) from None
        lease.give_up(fault)
        again = taken(work, planned)
        if again is None:
            return None
        lease = again


def _run(
    work: Work, planned: Planned, lease: Lease, cpus: Sequence[int] | None, told: Told, quiet: Quiet | None
) -> Record:
    """Run it, alone on this machine.

    Raises:
        KeyboardInterrupt: the user stopped it. What was measured of it is not kept: it is run again as a whole.
    """
    spec, label = planned.spec, work.label.of(planned.spec)
    one = OneRun(spec, planned.version, work.study.timeout, Choice(cpus), quiet=quiet)
    try:
        with renewed(lease), slot(spec.device, on_wait=lambda: told.now("waits until this machine is free")):
            told.now(label)
            return run_one(one, "", Screen(file=StringIO()), told.report(label))[0]
    except Interrupted:
        raise KeyboardInterrupt from None
