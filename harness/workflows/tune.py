"""Measure each backend's variants here, contest by contest, and keep the fastest as what ``auto`` takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import backends
from harness.analysis.disturbance import contestant_flags
from harness.analysis.interval import FEWEST
from harness.analysis.ratios import ratio
from harness.errors import UsageError
from harness.machine import software
from harness.machine.personal import impersonal
from harness.machine.topology import Choice
from harness.planning import contests as planning
from harness.planning.contests import BackendOnDevice, Contestant, PlannedContest, items
from harness.planning.runs import check_cell, check_device
from harness.presentation import screen
from harness.presentation.contest_words import title
from harness.presentation.progress import line
from harness.presentation.tuned import of_contests
from harness.processes.stopping import asked_to_stop, may_stop, terminated_as_interrupted
from harness.records import tuned
from harness.records.base import Before, Ratio
from harness.records.speed import Contest, Row
from harness.records.tuned import Kind, Tuned
from harness.specs import shapes
from harness.specs.options import SPEED, TUNE, complete
from harness.text import counted
from harness.workflows.contest import Settings
from harness.workflows.quiet import LOUD, NotQuiet, Quiet
from harness.workflows.speed import hold

#: Of a shape; how many threads compute it is asked apart.
SIZES = tuple(name for name in shapes.SIZES if name != "threads")


@dataclass(frozen=True)
class Outcome:
    """What became of one contest.

    Attributes:
        where: the backend on its device.
        measured: cell and sizes, as tables show them.
        choice: what ``auto`` takes from now on; None where the rule goes on deciding.
        reason: why there is no choice.
        failed: whether that is for want of a measurement, and not because there is nothing to choose from.
    """

    where: BackendOnDevice
    measured: str
    choice: Tuned | None = None
    reason: str | None = None
    failed: bool = False

    @property
    def backend(self) -> str:
        """The backend."""
        return self.where.backend

    @property
    def device(self) -> str:
        """Its device."""
        return self.where.device

    def json_line(self) -> str:
        """All of it as a line of JSON."""
        choice = None if self.choice is None else self.choice.model_dump(mode="json")
        return json.dumps({**self.where._asdict(), "measured": self.measured, "reason": self.reason, "choice": choice})


@dataclass(frozen=True, repr=False)
class Tuning:
    """What a call came to; printed, its table.

    Attributes:
        outcomes: contest by contest.
        problems: why it ended early, or what could not be kept, a line each.
    """

    outcomes: list[Outcome]
    problems: list[str]

    def __repr__(self) -> str:
        table = [screen.drawn(of_contests(self.outcomes), width=140)] if self.outcomes else []
        return "\n".join([*table, *self.problems]).strip()

    @property
    def ok(self) -> bool:
        """Whether each contest was held, and what it found is kept."""
        return not self.problems and not any(each.failed for each in self.outcomes)


def settings(rounds: int, block: float, timeout: float | None, ready: float | None) -> Settings:
    """How each contest is held. Raises UsageError for values that no contest can have."""
    if rounds < FEWEST:
        raise UsageError(f"--rounds must be at least {FEWEST} to tell two variants apart, not {rounds}")
    return Settings(rounds, block, timeout, ready_s=ready)


def plan(given: Mapping[str, Any]) -> list[PlannedContest]:
    """A contest for each backend, device, cell and shape, among all variants that dispatch update by update.

    Args:
        given: options of ``harness tune`` by their names in Python. Without a shape and without sizes all named shapes
            are meant.

    Raises:
        UsageError: a name, size or combination that cannot be right; or tuned choices are switched off.
    """
    if tuned.place() is None:
        raise UsageError(
            f"{tuned.VARIABLE} is empty, which switches tuned choices off: unset it, or let it name a file"
        )
    known = {each.parameter for each in SPEED}
    options = {name: value for name, value in given.items() if name in known and value is not None}
    if not options.get("shape") and not any(options.get(size) for size in SIZES):
        options["shape"] = ["all"]
    return [one for each in planning.plan({**options, "variant": ["all"]}) for one in _by_backend(each)]


def _by_backend(planned: PlannedContest) -> Iterator[PlannedContest]:
    """A contest apart for each backend and device, of what ``auto`` may take."""
    for where in dict.fromkeys(map(_place, planned.contestants)):
        rule = planned.rules.get(where)
        own = [each for each in planned.contestants if _place(each) == where]
        if able := [each for each in own if each.eligible or each.spec.variant == rule]:
            yield replace(planned, contestants=able)


def _place(contestant: Contestant) -> BackendOnDevice:
    return BackendOnDevice(contestant.spec.backend, contestant.spec.device)


def tune(planned: Sequence[PlannedContest], settings: Settings, cpus: Choice, quiet: Quiet) -> Tuning:
    """Hold the contests one after the other, and keep each one's choice as soon as it is held.

    Args:
        quiet: looks at what others compute before each; where it refuses one, that one and those after it are not held.
    """
    stderr = screen.Screen(stderr=True)
    outcomes: list[Outcome] = []
    problems: list[str] = []
    with terminated_as_interrupted():
        for number, each in enumerate(planned):
            left = len(planned) - number
            before = None
            try:
                with may_stop():
                    before = quiet.before(cpus, each.contestants[0].spec.threads, fixed=number > 0)
            except NotQuiet as error:
                refused = str(error).removesuffix(" (--require-quiet)")
                instead = "--wait-quiet SECONDS waits for quiet, --no-require-quiet measures all the same"
                problems.append(f"{refused}; {_left(left, planned)} ({instead})")
                break
            except KeyboardInterrupt:
                problems.append(f"interrupted; {_left(left, planned)}")
                break
            # what getting ready costs is no part of a choice: they share their CPUs for it
            beside = replace(settings, starts=each.contestants[0].spec.threads)
            with line(stderr) as tell:
                held = hold(each, beside, _positioned(tell, number + 1, len(planned)), cpus, limits=False)
            if held.contest.how == "interrupted":
                problems.append(f"interrupted; {_left(left, planned)}")
                break
            outcome = outcome_of(each, held.rows(), before)
            outcomes.append(outcome)
            if outcome.choice is not None:
                try:
                    tuned.keep(outcome.choice)
                except OSError as error:
                    problems.append(f"cannot keep the choice: {error.filename}: {error.strerror}")
                    break
            if asked_to_stop() and left > 1:
                problems.append(f"interrupted; {_left(left - 1, planned)}")
                break
    return Tuning(outcomes, problems)


def _left(number: int, planned: Sequence[PlannedContest]) -> str:
    return f"{number} of {counted(len(planned), 'contest')} not held"


def _positioned(tell: Callable[[str], None], number: int, of: int) -> Callable[[str], None]:
    return lambda what: tell(f"{number}/{of}  {what}")


def outcome_of(planned: PlannedContest, rows: Sequence[Row], before: Before | None = None) -> Outcome:
    """What a contest came to.

    The fastest by the median seconds of an update is taken, unless it cannot be told apart from the one that the
    backend's rule takes: then that one stays, for another day might turn the two around.
    """
    spec, where = planned.contestants[0].spec, _place(planned.contestants[0])
    measured = title(Contest(name=planned.name, changed=planned.changed, rows=list(rows)))
    able = {row.spec.variant: row for row in rows if row.status == "ok" and row.figures is not None}
    if len(able) < 2:
        return _undecided(where, measured, rows, able)
    ordered = sorted(able, key=lambda name: _median(able[name]))
    rule = planned.rules[where]
    base = rule if rule in able else ordered[0]
    other = next(name for name in ordered if name != base)
    apart = ratio(able[base].by_round, able[other].by_round)
    low, high = (apart.low, apart.high) if apart else (None, None)
    winner = other if low is not None and low > 1 else base

    def over(name: str | None) -> Ratio | None:
        return ratio(able[name].by_round, able[winner].by_round) if name in able and name != winner else None

    choice = Tuned(
        kind=Kind.here(spec.backend, spec.job(), spec.denormals),
        variant=winner,
        of=len(able),
        tied=winner == base and (high is None or high >= 1),
        rule=rule,
        over_rule=over(rule),
        over_next=over(next(name for name in ordered if name != winner)),
        over_stock=over(planned.references.get(where)),
        created=datetime.now(UTC).replace(microsecond=0),
        measured=measured,
        disturbed=_disturbed(able.values(), before),
        code=software.sources()["backends"],
    )
    return Outcome(where, measured, choice)


def _median(row: Row) -> float:
    assert row.figures is not None
    return row.figures.step_ms.median


def _disturbed(rows: Collection[Row], before: Before | None) -> bool:
    """Whether others computed before the contest or in it, for most of those who took part."""
    loud = before is not None and before.share is not None and before.share > LOUD
    flagged = sum(bool({"load", "preempted", "steal"} & set(contestant_flags(row))) for row in rows)
    return loud or flagged * 2 > len(rows)


def _undecided(where: BackendOnDevice, measured: str, rows: Sequence[Row], able: Mapping[str, Row]) -> Outcome:
    """That of a contest with fewer than two who can be compared."""
    tried = [row for row in rows if row.status not in ("ok", "unavailable")]
    if tried:
        return Outcome(
            where, measured, reason=f"{tried[0].spec.variant} {tried[0].status}: {tried[0].reason}", failed=True
        )
    if able:
        return Outcome(where, measured, reason=f"only {next(iter(able))} computes it here: nothing to choose from")
    [(why, _)] = Counter(row.reason for row in rows).most_common(1)
    return Outcome(where, measured, reason=impersonal(why or "no variant computes it here"), failed=True)


def unreadable() -> str | None:
    """Why the choices that are kept cannot be read, in one line; None where they can."""
    try:
        tuned.read()
    except tuned.Unreadable as error:
        return str(error)
    return None


def forget(given: Mapping[str, Any]) -> int:
    """Forget what was tuned: all of it, or that of the backends, cells, devices and threads which are named.

    Args:
        given: options of ``harness tune`` by their names in Python.

    Returns:
        How many choices are gone.

    Raises:
        UsageError: sizes are given, or a name is none.
        OSError: the file cannot be written.
    """
    asked = complete(TUNE, given)
    if sizes := [name for name in ("shape", *SIZES) if asked[name]]:
        raise UsageError(
            f"--forget goes by --backend, --cell, --device and --threads, not by --{sizes[0]}: choices are kept for "
            "classes of sizes"
        )
    wanted: dict[str, set[Any]] = {}
    for name, check in (("backend", backends.registry.check), ("cell", check_cell), ("device", check_device)):
        words = items(name, asked)
        if words and "all" not in words:
            try:
                wanted[name] = set(map(check, words))
            except backends.UnknownName as error:
                raise UsageError(str(error)) from None
    if threads := items("threads", asked):
        wanted["threads"] = set(threads)

    def goes(choice: Tuned) -> bool:
        kind = choice.kind
        its = {"backend": kind.backend, "cell": kind.shape.cell, "device": kind.device, "threads": kind.threads}
        return all(its[name] in values for name, values in wanted.items())

    return tuned.forget(goes)
