"""A claim that a speed contest decides, by ratios of its rows."""

from __future__ import annotations

import math

from harness.analysis.claims import Interval
from harness.analysis.disturbance import contestant_flags
from harness.analysis.ratios import ratio
from harness.errors import UsageError
from harness.machine import software, system
from harness.planning import contests
from harness.planning.contests import PlannedContest
from harness.presentation.contest_words import title
from harness.records.claim import Evidence
from harness.records.speed import Contest, Row, SpeedRecord
from harness.records.store import Store, read_all
from harness.specs.claim import Claim, RatioRule
from harness.text import counted
from harness.workflows import speed as speeds
from harness.workflows.claims.measurement import Asked, Figures, Measurement, NotMeasured, Stopped
from harness.workflows.contest import Settings
from tasks.registry import nearest


class SpeedMeasurement(Measurement):
    """A speed contest, judged by the ratios of its rows."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        given = dict(claim.speed or {})
        self.settings = Settings(
            rounds=given.get("rounds", 20), block_s=given.get("block", 0.25), timeout=given.get("timeout"),
            starts=given.get("starts", 1), ready_s=given.get("ready"),
        )  # fmt: skip
        self.planned: list[PlannedContest] | None = None

    def contests(self) -> list[PlannedContest]:
        """What is asked for. Slow: each backend says what it has."""
        if self.planned is None:
            try:
                self.planned = contests.plan({**(self.claim.speed or {}), "cpus": None})
            except UsageError as error:
                raise UsageError(f"{self.claim.path}: {error}") from None
        return self.planned

    def plan(self) -> str:
        """How much there is, and what of it is done."""
        found = self.contests()
        rows = sum(len(each.contestants) for each in found)
        done = "done" if self.held() else "0 done"
        return f"{counted(len(found), 'contest')} of {counted(rows, 'row')}, {done}"

    def held(self) -> SpeedRecord | None:
        """The newest record of all that is asked for, made here with what is installed; None where there is none."""
        if not self.folder.is_dir():
            return None
        asked = [[entry.spec for entry in each.contestants] for each in self.contests()]
        for record in reversed(read_all([self.folder]).speeds):
            same = (
                [[row.spec for row in contest.rows] for contest in record.contests] == asked
                and (record.rounds, record.block_s) == (self.settings.rounds, self.settings.block_s)
                and record.status != "interrupted"
                and _is_here(record)
            )
            if same:
                return record
        return None

    def measure(self, found: Figures) -> None:
        """Measure what is not measured yet; raises as ``Measurement.measure``."""
        record = self.held()
        if record is None:
            store = Store(self.folder)
            store.prepare()
            record, _ = speeds.hold_all(self.contests(), self.settings, store, self.choice, self.asked.quiet)
        if record.status == "interrupted":
            raise Stopped
        found.evidence = [Evidence(id=record.id, kind="speed", digest=record.digest)]
        found.threads = max(row.spec.threads for contest in record.contests for row in contest.rows)
        for number, rule in enumerate(self.claim.rules):
            assert isinstance(rule, RatioRule)
            if rule.quantity != "speed":
                raise UsageError(f"{self.claim.path}: a contest measures memory once; [compare] does it several times")
            for contest in record.contests:
                ours, theirs = (_row(contest, name, self.claim) for name in (rule.of, rule.to))
                compared = ratio(theirs.by_round, ours.by_round)
                if compared is None:
                    raise NotMeasured("no round in which both took a turn")
                low, high = (math.nan if each is None else each for each in (compared.low, compared.high))
                flags = sorted({flag for row in (ours, theirs) for flag in contestant_flags(row)})
                what = f"{rule.of} over {rule.to}: {title(contest)}" + (f" (noisy: {' '.join(flags)})" if flags else "")
                found.add(number, rule, what, Interval(compared.median, low, high), compared.pairs)


def _is_here(record: SpeedRecord) -> bool:
    """Whether a record was made on this kind of machine, with the code and libraries that are here."""
    where = record.environment
    return (where.cpu, where.sources, where.packages) == (
        system.cpu_model(), software.sources(), software.packages(),
    )  # fmt: skip


def _row(contest: Contest, name: str, claim: Claim) -> Row:
    backend, _, variant = name.partition(":")
    rows = [row for row in contest.rows if row.spec.backend == backend and row.current_variant == variant]
    if not rows:
        known = [f"{row.spec.backend}:{row.current_variant}" for row in contest.rows]
        raise UsageError(f"{claim.path}: {nearest('row', name[:60], known)}")
    if rows[0].status != "ok":
        raise NotMeasured(f"{name} is {rows[0].status}: {rows[0].reason}")
    return rows[0]
