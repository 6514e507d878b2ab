"""``harness claims``: measure what tests a claim, as far as it is not measured yet, and keep the verdict."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from harness.analysis import claims as judging
from harness.analysis.claims import Interval, Steps
from harness.analysis.difference import Difference
from harness.analysis.disturbance import contestant_flags
from harness.analysis.ratios import ratio
from harness.errors import CannotCompare, UsageError
from harness.machine import software, system
from harness.machine.topology import Choice
from harness.planning import contests
from harness.planning.contests import PlannedContest
from harness.planning.runs import named_cpus
from harness.planning.studies import Planned, matches, runs_of
from harness.presentation.claims import in_words
from harness.presentation.contest_words import title
from harness.presentation.progress import line
from harness.presentation.screen import Screen
from harness.presentation.study import Label
from harness.processes import environment
from harness.processes.channel import TimedOut
from harness.records.claim import ClaimFigure, ClaimRecord, Compared, Curve, Decided, Evidence, Verdict
from harness.records.run import Record
from harness.records.speed import Contest, Row, SpeedRecord
from harness.records.store import Store, StoreError, read_all
from harness.records.whole import write_whole
from harness.specs import claim as claim_files
from harness.specs.base import Frozen
from harness.specs.claim import (
    CLAIMS,
    Claim,
    DriftRule,
    MeanRule,
    RatioRule,
    Rule,
    ShareRule,
    SpreadRule,
    StepsRule,
)
from harness.specs.commandline import words
from harness.specs.run import RunSpec
from harness.specs.study import flat
from harness.text import counted, duration, gpu_text
from harness.workflows import compare as comparing
from harness.workflows import parity as parities
from harness.workflows import speed as speeds
from harness.workflows.compare import Effort
from harness.workflows.contest import Settings
from harness.workflows.quiet import Quiet
from harness.workflows.study import Engines, run_study
from harness.workflows.work import Work
from tasks.registry import nearest

#: In a claim's folder, what it measured that no record of its own holds.
STATE: Final = ".claim"
#: The ending of these files, which are no records.
KEPT: Final = ".kept"
Kept = TypeVar("Kept", bound=BaseModel)


class NotMeasured(Exception):
    """It cannot be measured here; the arguments say what it takes."""


class Stopped(Exception):
    """The user stopped it, or others were busy; the same command goes on."""


class _Curves(Frozen):
    """What ``harness parity`` found, as it is kept between two calls."""

    curves: list[Curve]


@dataclass
class Figures:
    """What was measured of a claim.

    Attributes:
        figures: by rule, each with the number of values that it was taken over.
        evidence: the records that they come from; compared, curves: what no other record holds.
        threads: that computed.
    """

    figures: list[ClaimFigure] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    threads: int = 0

    def add(self, number: int, rule: Rule, what: str, found: Interval, count: int) -> None:
        """Judge a figure of a rule."""
        value, low, high = (each if math.isfinite(each) else None for each in found)
        verdict = judging.decide(found, rule.above, rule.below)
        self.figures.append(ClaimFigure(
            what=what, rule=number, value=value, low=low, high=high, count=count, above=rule.above, below=rule.below,
            verdict=verdict,
        ))  # fmt: skip

    def verdict(self) -> Decided:
        """Of all of them together."""
        return judging.together(each.verdict for each in self.figures)


def read_claims(ids: Sequence[str], folder: Path, results: Path) -> list[Claim]:
    """The claims of these ids, or all of a folder.

    Raises:
        UsageError: a file cannot be right, or there is none of that id.
    """
    known = {path.name.removesuffix(claim_files.ENDING): path for path in claim_files.files(folder)}
    if not known:
        where = "" if folder != CLAIMS else "; they are in the project's checkout"
        raise UsageError(f"no claims in {folder}{where}: name their folder with --claims")
    for each in ids:
        if each not in known:
            raise UsageError(nearest("claim", each[:60], list(known)))
    return [claim_files.read(known[each], results) for each in dict.fromkeys(ids or known)]


def newest(places: Iterable[Path]) -> dict[str, ClaimRecord]:
    """Of each claim the newest record in these places, by id."""
    found: dict[str, ClaimRecord] = {}
    for record in read_all([place for place in places if place.exists()]).claims:
        assert isinstance(record, ClaimRecord)
        found[record.claim] = record
    return found


def lacking(claim: Claim) -> list[str]:
    """What measuring a claim takes that is not here; empty where it can be measured."""
    found = list(claim.needs.missing)
    if claim.needs.gpu and not system.gpu():
        found.append("a GPU with CUDA")
    if claim.measurement is None and not found:
        found.append("a test: its file has none")
    return found


@dataclass(frozen=True)
class Asked:
    """How claims are measured, as the options of ``harness claims run`` say it.

    Attributes:
        recorded: whether runs of studies are taken as they are recorded, whichever version of the code made them.
    """

    cpus: str | None = None
    quiet: Quiet | None = None
    recorded: bool = False


class Measurement:
    """A claim's measurement: what it would run, what of it is done, and the figures that come of it."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        self.claim = claim
        self.asked = asked
        self.folder = claim.results
        self.cpus = named_cpus(asked.cpus)
        self.choice = Choice(self.cpus)

    def plan(self) -> str:
        """What it would run, and how much of it is done, in words. Raises UsageError."""
        raise NotImplementedError

    def measure(self, found: Figures) -> None:
        """Measure what is not measured yet, and judge all of it.

        Raises:
            NotMeasured: it cannot be measured here.
            Stopped: it was stopped.
            UsageError, StoreError: something in it cannot be right; a record could not be written.
        """
        raise NotImplementedError


class _StudyMeasurement(Measurement):
    """Runs, judged over seeds."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        assert claim.study is not None
        runs, more = runs_of(claim.study), runs_of(claim.also) if claim.also else []
        self.also = {planned.spec.digest for planned in more}
        self.work = Work(claim.study, [*runs, *more])
        if claim.also:
            named = [*flat(claim.study.axes), *flat({key: [each] for key, each in claim.also.fixed.items()
                                                     if key not in claim.study.fixed})]  # fmt: skip
            self.work.label = Label(name for name, _ in named)

    def plan(self) -> str:
        left = len(self.work.left())
        return f"{counted(len(self.work.runs), 'run')}, {len(self.work.runs) - left:,} done"

    def measure(self, found: Figures) -> None:
        if self.work.left() and not self.asked.recorded:
            run_study(self.work, Engines(), self.asked.cpus, quiet=self.asked.quiet)
            self.work.done.refresh()
        if self.work.left() and not self.asked.recorded:
            raise Stopped
        records = [record for record, done in self.work.records() if done or self.asked.recorded]
        if missing := len(self.work.runs) - len(records):
            raise NotMeasured(f"{counted(missing, 'run')} of its study that nobody has recorded")
        if bad := [record for record in records if record.status == "unavailable"]:
            raise NotMeasured(bad[0].reason or "a backend that is not here")
        found.evidence = [Evidence(id=each.id, kind="run", digest=each.digest) for each in records]
        found.threads = max(each.spec.threads for each in records)
        for number, (rule, which) in enumerate(zip(self.claim.rules, self.claim.which, strict=True)):
            self._judge(found, number, rule, which, records)

    def _judge(
        self, found: Figures, number: int, rule: Rule, which: Mapping[str, Mapping[str, Any]], runs: Sequence[Record]
    ) -> None:
        of, to = ([run for run in runs if self._chosen(run, which.get(side, {}))] for side in ("of", "to"))
        if not of:
            raise UsageError(f"{self.claim.path}: rule {number + 1} is of no run of the study")
        if failed := [run for run in of if run.metrics is None]:
            raise NotMeasured(f"{counted(len(failed), 'run')} {failed[0].status}: {failed[0].reason}")
        name = self._name(which.get("of", {}))
        if isinstance(rule, ShareRule):
            reached = sum(_solved(run, rule.level) for run in of)
            what = rule.level or "solved"
            found.add(number, rule, f"share of seeds: {name}: {what}", judging.share(reached, len(of)), len(of))
        elif isinstance(rule, MeanRule):
            score = rule.score or _metrics(of[0]).main_score
            values = [_score(run, score, self.claim) for run in of]
            found.add(number, rule, f"mean {score}: {name}", judging.mean(values), len(values))
        elif isinstance(rule, SpreadRule):
            steps = [_steps(run, rule.level, self.claim) for run in of]
            found.add(number, rule, f"slow over fast seeds: {name}: {rule.level}", judging.spread(steps), len(steps))
        elif isinstance(rule, StepsRule):
            pairs = _paired(of, to, self.claim)
            ours, theirs = ([_steps(pair[side], rule.level, self.claim) for pair in pairs] for side in (0, 1))
            what = f"updates to {rule.level}: {name} over {self._name(which.get('to', {}))}"
            found.add(number, rule, what, judging.steps_ratio(ours, theirs), len(pairs))

    def _chosen(self, run: Record, which: Mapping[str, Any]) -> bool:
        rest = {key: each for key, each in which.items() if key != "also"}
        same = which.get("also") in (None, run.spec.digest in self.also)
        return same and matches(run.spec, None, rest)

    def _name(self, which: Mapping[str, Any]) -> str:
        found = [f"{key} {', '.join(map(str, values))}" for key, values in flat(which) if key != "also"]
        if "also" in which and self.claim.also and self.claim.study:
            more = {key: each for key, each in self.claim.also.fixed.items() if key not in self.claim.study.fixed}
            said = ", ".join(f"{key} {each}" for key, each in more.items())
            found.append(said if which["also"] else f"without {said}")
        return " ".join(found).replace("parameter.", "").replace("_", " ") or "all"


def _metrics(run: Record) -> Any:
    assert run.metrics is not None
    return run.metrics


def _score(run: Record, name: str, claim: Claim) -> float:
    scores: dict[str, float] = {**_metrics(run).score, "loss": _metrics(run).final_loss}
    if name not in scores:
        raise UsageError(f"{claim.path}: {nearest('score', name[:60], list(scores))}")
    return scores[name]


def _solved(run: Record, level: str | None) -> bool:
    metrics = _metrics(run)
    return bool(metrics.solved) if level is None else metrics.steps_to.get(level) is not None


def _steps(run: Record, level: str, claim: Claim) -> Steps:
    metrics = _metrics(run)
    if level not in metrics.steps_to:
        raise UsageError(f"{claim.path}: {nearest('level', level[:60], list(metrics.steps_to))}")
    reached = metrics.steps_to[level]
    made = metrics.stopped_at or run.spec.steps
    return Steps(max(1, made if reached is None else reached), reached is not None)


def _paired(of: Sequence[Record], to: Sequence[Record], claim: Claim) -> list[tuple[Record, Record]]:
    """The runs of both sides, seed by seed."""
    by_seed: list[dict[int, list[Record]]] = [{}, {}]
    for side, runs in zip(by_seed, (of, to), strict=True):
        for run in runs:
            side.setdefault(run.spec.seed, []).append(run)
    if by_seed[0].keys() != by_seed[1].keys() or any(
        len(by_seed[0][seed]) != len(by_seed[1][seed]) for seed in by_seed[0]
    ):
        raise UsageError(f"{claim.path}: of and to have not the same seeds")
    return [pair for seed in by_seed[0] for pair in zip(by_seed[0][seed], by_seed[1][seed], strict=True)]


class _SpeedMeasurement(Measurement):
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


class _CompareMeasurement(Measurement):
    """Pairs of specs, live, several pairs of processes each."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        assert claim.compare is not None
        self.sides = claim.compare
        self.effort = Effort(self.sides.pairs, self.sides.restarts, self.sides.block)
        self.pairs = list(zip(runs_of(self.sides.a), runs_of(self.sides.b), strict=True))
        self.label = Label(name for name, _ in flat(self.sides.a.axes))

    def plan(self) -> str:
        done = sum(self._known(pair) is not None for pair in self.pairs)
        return f"{counted(len(self.pairs), 'comparison')}, {done} done"

    def _file(self, pair: tuple[Planned, Planned]) -> Path:
        key = hashlib.sha256(f"{pair[0].key} {pair[1].key} {self.effort}".encode()).hexdigest()[:32]
        return self.folder / STATE / f"compared-{key}{KEPT}"

    def _known(self, pair: tuple[Planned, Planned]) -> Compared | None:
        return _known(self._file(pair), Compared)

    def measure(self, found: Figures) -> None:
        for pair in self.pairs:
            compared = self._known(pair) or self._compared(pair)
            found.compared.append(compared)
            found.threads = max(found.threads, pair[0].spec.threads, pair[1].spec.threads)
            for number, rule in enumerate(self.claim.rules):
                assert isinstance(rule, RatioRule)
                self._judge(found, number, rule, compared, self.label.of(pair[0].spec))

    def _judge(self, found: Figures, number: int, rule: RatioRule, compared: Compared, label: str) -> None:
        if {rule.of, rule.to} != {"a", "b"}:
            raise UsageError(f'{self.claim.path}: rule {number + 1}: of and to are "a" and "b"')
        ratios = compared.time if rule.quantity == "speed" else compared.memory
        if ratios is None:
            raise NotMeasured("memory did not grow, or could not be measured")
        # B over A in time is how many times as fast A is; in memory, how many times as heavy B
        turned = (rule.of == "b") == (rule.quantity == "speed")
        values = [1 / each for each in ratios] if turned else list(ratios)
        noisy = f" (noisy: {'; '.join(compared.noise)})" if compared.noise else ""
        found.add(number, rule, f"{rule.quantity}, {rule.of} over {rule.to}: {label}{noisy}",
                  judging.geometric_mean(values), len(values))  # fmt: skip

    def _compared(self, pair: tuple[Planned, Planned]) -> Compared:
        a, b = (each.spec for each in pair)
        try:
            with line(Screen(stderr=True)) as tell:
                told = partial(_told, tell, self.label.of(a))
                found = comparing.compare(a, b, self.effort, told, self.choice, self.asked.quiet)
        except CannotCompare as error:
            raise NotMeasured(str(error)) from None
        except (KeyboardInterrupt, TimedOut):
            raise Stopped from None
        memory = found.memory.ratios if isinstance(found.memory, Difference) else None
        kept = Compared(
            a=_words(a), b=_words(b), variants=found.variants, time=found.time.ratios, memory=memory,
            noise=[each for each in found.disturbed() if not each.endswith(".")],
        )  # fmt: skip
        _keep(self._file(pair), kept)
        return kept


def _told(tell: Any, label: str, what: str) -> None:
    tell(f"{label}: {what}")


def _words(spec: RunSpec) -> str:
    return " ".join(words(spec)[2:])


class _ParityMeasurement(Measurement):
    """Losses of several backends that start from the same numbers."""

    def __init__(self, claim: Claim, asked: Asked) -> None:
        super().__init__(claim, asked)
        assert claim.parity is not None
        self.updates = claim.parity.updates
        self.runs = runs_of(claim.parity.study)

    def plan(self) -> str:
        done = "done" if _known(self._file(), _Curves) else "0 done"
        return f"{counted(len(self.runs), 'curve')} over {counted(self.updates, 'update')}, {done}"

    def _file(self) -> Path:
        keys = " ".join(each.key for each in self.runs)
        return (
            self.folder / STATE / f"curves-{hashlib.sha256(f'{keys} {self.updates}'.encode()).hexdigest()[:32]}{KEPT}"
        )

    def measure(self, found: Figures) -> None:
        known = _known(self._file(), _Curves) or self._drawn()
        found.curves = known.curves
        found.threads = max(each.spec.threads for each in self.runs)
        curves = [each.losses for each in known.curves]
        for number, rule in enumerate(self.claim.rules):
            assert isinstance(rule, DriftRule)
            if rule.at > self.updates:
                raise UsageError(f"{self.claim.path}: at: no update after {self.updates} is compared")
            pairs = len(curves) * (len(curves) - 1) // 2
            what = f"relative distance of losses before update {rule.at}, over {counted(pairs, 'pair')} of backends"
            found.add(number, rule, what, judging.drift(curves, rule.at), pairs)

    def _drawn(self) -> _Curves:
        specs = parities.with_small_batch([each.spec for each in self.runs], None)
        agreements = parities.measure(specs, 1, self.updates, ["float32"], None, False, self.cpus)
        for each in agreements:
            if each.failed == "stopped by the user":
                raise Stopped
            if each.failed or each.unavailable:
                raise NotMeasured(f"{each.name}: {each.failed or each.unavailable}")
        if len(agreements) < 2:
            raise NotMeasured("two backends at least")
        kept = _Curves(curves=[Curve(name=f"{each.name} {each.variant}", losses=each.curve) for each in agreements])
        _keep(self._file(), kept)
        return kept


def _known(file: Path, kind: type[Kept]) -> Kept | None:
    """What a former call kept; None where there is nothing, or nothing that reads."""
    with suppress(OSError, ValidationError):
        return kind.model_validate_json(file.read_bytes())
    return None


def _keep(file: Path, what: BaseModel) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, what.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}") from None


_MEASUREMENTS: Final[Mapping[str, type[Measurement]]] = {
    "study": _StudyMeasurement, "speed": _SpeedMeasurement, "compare": _CompareMeasurement,
    "parity": _ParityMeasurement,
}  # fmt: skip


def measurement_of(claim: Claim, asked: Asked) -> Measurement:
    """The measurement of a claim. Raises UsageError where it cannot be right."""
    assert claim.measurement is not None
    return _MEASUREMENTS[claim.measurement](claim, asked)


def plan_line(claim: Claim) -> str:
    """What ``harness claims run`` would do for a claim, in a line."""
    if needed := lacking(claim):
        return f"{claim.id}: cannot run here: needs {'; '.join(needed)}"
    took = f", about {duration(60 * claim.words.minutes)} in all on 2 cores" if claim.words.minutes else ""
    return f"{claim.id}: {measurement_of(claim, Asked()).plan()}{took}"


def decide(claim: Claim, asked: Asked, results: Path) -> tuple[ClaimRecord, Path]:
    """Measure a claim as far as it is not measured yet, and keep the verdict, unless the same is kept already.

    Returns:
        Its record, and the record's file.

    Raises:
        Stopped: it was stopped.
        UsageError, StoreError: something in it cannot be right; a record could not be written.
    """
    began, found = time.monotonic(), Figures()
    needed = lacking(claim)
    if not needed:
        try:
            measurement_of(claim, asked).measure(found)
        except NotMeasured as error:
            needed, found = [str(error)], Figures()
    verdict: Verdict = "cannot run here" if needed else found.verdict()
    now = datetime.now(UTC).replace(microsecond=0)
    record = ClaimRecord(
        id=f"{now:%Y%m%dT%H%M%SZ}-claim-{claim.id}-{uuid.uuid4().hex[:8]}",
        created=now,
        claim=claim.id,
        text=claim.text,
        sha256=claim.sha256,
        statement=claim.words.statement,
        verdict=verdict,
        why=_why(verdict, needed, found),
        needs=needed,
        figures=found.figures,
        scope=_scope(claim, found.threads),
        evidence=found.evidence,
        compared=found.compared,
        curves=found.curves,
        took_s=round(time.monotonic() - began, 1),
        environment=environment.describe({}, {}),
    )
    folder = results / claim.id
    if folder.is_dir():
        for former in read_all([folder]).claims:
            assert isinstance(former, ClaimRecord)
            if _says(former) == _says(record):
                return former, folder / f"{former.id}.json"
    store = Store(folder)
    store.prepare()
    return record, store.write(record)


def _says(record: ClaimRecord) -> Any:
    """What a record says, whenever it was made; equal where nothing new was measured."""
    said = record.model_dump(mode="json", exclude={"id", "created", "digest", "took_s", "environment"})
    where = record.environment
    return said, where.cpu, where.sources, where.packages


def _why(verdict: Verdict, needed: Sequence[str], found: Figures) -> str:
    if needed:
        return f"it needs {'; '.join(needed)}"[:2000]
    counts = {each: [figure for figure in found.figures if figure.verdict == each] for each in
              ("holds here", "does not hold here", "cannot be told")}  # fmt: skip
    if len(found.figures) == 1:
        return in_words(found.figures[0])[:2000]
    spoken = {"holds here": "hold", "does not hold here": "do not", "cannot be told": "cannot be told"}
    several = ", ".join(f"{len(of)} {spoken[each]}" for each, of in counts.items() if of)
    decisive = next((figure for figure in found.figures if figure.verdict == verdict), found.figures[0])
    return f"of {len(found.figures)} figures {several}; for one, {in_words(decisive)}"[:2000]


def _scope(claim: Claim, threads: int) -> str:
    where = f"claimed on {claim.source.hardware}" if claim.source.hardware else "claimed for no machine in particular"
    gpu = gpu_text(system.gpu()) if claim.needs.gpu and system.gpu() else ""
    on = f"; here {gpu or system.cpu_model()}" + (f", {counted(threads, 'thread')}" if threads else "")
    less = f"; {claim.words.reduction}" if claim.words.reduction else ""
    return f"{where}{on}{less}"[:2000]
