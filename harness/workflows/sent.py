"""A study's runs sent to where an engine has room for them; records come back, and this process writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from harness.engines.job import NodeJob, OnRecord, OnState, State
from harness.planning.studies import Planned
from harness.presentation.screen import Screen
from harness.processes.leases import Lease, renewed
from harness.processes.stopping import asked_to_stop, terminated_as_interrupted
from harness.records.run import Record
from harness.records.store import StoreError
from harness.workflows.common import complain
from harness.workflows.trying import ENDED, NO_ROOM, STOPPED, Tries, given_up
from harness.workflows.work import NoRoom, Outcome, Told, Work, taken


class RunJobs(Protocol):
    """An engine: ``harness.engines.ray.run_jobs`` and those like it."""

    def __call__(
        self,
        jobs: Iterable[NodeJob],
        on_record: OnRecord,
        on_state: OnState,
        tries: int,
        *,
        stopped: Callable[[], bool],
    ) -> None:
        """Run the jobs, and hand over each record."""


@dataclass
class _Flight:
    """The runs that were sent: their leases are renewed until the record is written, or the flight ends."""

    work: Work
    told: Told
    share: int
    outcome: Outcome
    held: int = 0
    _sent: dict[tuple[str, str | None], tuple[Planned, Lease, ExitStack]] = field(default_factory=dict)

    def jobs(self) -> Iterator[NodeJob]:
        """A job for each run that is left and that nobody holds; taken when the engine has room for it."""
        for planned in self.work.left():
            lease = taken(self.work, planned)
            if lease is None:
                self.held += self.work.finished(planned) is None
                continue
            if Tries(self.work.study.tries, lease.tries).exhausted:
                self._keep(given_up(planned.spec, lease.tries, planned.version), planned, lease)
                continue
            renewing = ExitStack()
            renewing.enter_context(renewed(lease))
            self._sent[planned.spec.digest, planned.version] = planned, lease, renewing
            yield NodeJob(
                spec=planned.spec, version=planned.version, timeout=self.work.study.timeout, study=self.work.study.mark,
                engine=self.work.engine, share=self.share, tries=tuple(lease.tries),
            )  # fmt: skip

    def on_record(self, job: NodeJob, record: Record) -> None:
        """Write a record that came back. Raises NoRoom."""
        planned, lease, renewing = self._sent.pop((job.spec.digest, job.version))
        with renewing:
            if record.status == "interrupted":
                lease.give_up(STOPPED)
                return
            self._keep(record, planned, lease)

    def on_state(self, job: NodeJob, state: State, what: str) -> None:
        """Say where runs are."""
        self.told.now(f"{self.work.label.of(job.spec)}: {state} {what}".rstrip())

    def end(self, why: str) -> None:
        """Give up the leases of what did not come back, saying why it did not."""
        for _, lease, renewing in self._sent.values():
            renewing.close()
            lease.give_up(why)

    def _keep(self, record: Record, planned: Planned, lease: Lease) -> None:
        try:
            kept = self.work.keep(record, planned, lease)
        except StoreError as error:
            lease.give_up(f"{NO_ROOM}: {error}"[:900])
            raise NoRoom(error) from None
        if kept is not None:
            self.outcome.made += 1
            self.told.record(kept)


def through(work: Work, engine: RunJobs, share: int = 1) -> Outcome:
    """Do what is left by an engine; of runs that others hold, none.

    Raises:
        UsageError: the engine cannot be had.
        EngineLost: it was lost on the way.
    """
    outcome, stderr = Outcome(), Screen(stderr=True)
    with terminated_as_interrupted(), Told(work, stderr).shown() as told:
        flight, why = _Flight(work, told, share, outcome), STOPPED
        try:
            engine(flight.jobs(), flight.on_record, flight.on_state, work.study.tries, stopped=asked_to_stop)
            outcome.stopped = asked_to_stop()
        except KeyboardInterrupt:
            outcome.stopped = True
        except NoRoom as full:
            complain(full.error, stderr)
            outcome.full, why = True, f"{ENDED}: there was no room for another record"
        except Exception as error:
            why = f"{ENDED}: {error}"[:900]
            raise
        finally:
            flight.end(why)
        work.done.refresh()
        outcome.elsewhere = flight.held
    return outcome
