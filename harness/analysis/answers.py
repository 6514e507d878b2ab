"""What records say of the questions that people ask: which backend trains fastest, what tuning gains, what is possible.

An answer is about one set of measurements that may be compared: one model, data shape, machine, thread count, precision
and source of this project. It says no more than they do, by one rule (docs/site.md, "How an answer is computed"):

- What counts is undisturbed and measured alone; what does not is named, and keeps the question open where it reads as
  fast as the fastest.
- What was repeated is the observation, its repetitions the spread: runs over seeds (Welch's interval over logarithms),
  calls of a contest (Student's). From ``FEWEST`` on they tell; a ratio counts if its interval excludes 1.
- What was not repeated has less to say: the rounds of one contest (Student's over pairs), the blocks of one run (the
  range of their speeds, which no autocorrelation narrows). Another start of the same program may differ by
  ``TOLERANCE``: a ratio counts only if all of its interval or range lies beyond that.
- Who is fastest is chosen from the same measurements. So each interval has the confidence at which all pairs of
  contenders hold together with 95 % (Bonferroni).
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations
from typing import Any, Final, Literal, NamedTuple

from packaging.version import InvalidVersion, Version

from harness.analysis.devices import RANKED
from harness.analysis.difference import CONFIDENCE, student, welch
from harness.analysis.disturbance import contestant_flags
from harness.analysis.groups import finished, groups, noise_of, project, shares, trait
from harness.analysis.interval import FEWEST
from harness.records.base import Environment
from harness.records.figures import mib
from harness.records.kept import Run
from harness.records.machines import slug
from harness.records.speed import Contest, Row, SpeedRecord
from harness.specs.speed import SpeedSpec

#: By how much two starts of the same program may differ: what ``harness compare --against`` tolerates.
TOLERANCE: Final = 0.05
#: What the spread of a ratio is taken from.
Basis = Literal["runs", "blocks", "calls", "rounds"]
Verdict = Literal["fastest", "tied", "open", "alone", "none"]
#: A column of a run by its name.
Figure = Callable[[Run, str], Any]


class Place(NamedTuple):
    """Where something was measured. Figures of different places are never compared.

    Attributes:
        device: cpu or cuda.
        name: of the GPU, or of the processor.
        gib: memory, in whole GiB; None where it is not known.
    """

    device: str
    name: str
    cpu: str
    logical_cpus: int
    gib: int | None
    python: str


class Source(NamedTuple):
    """What a figure comes from: a record, and of a contestant its number among all of that record."""

    id: str
    place: int | None = None


@dataclass(frozen=True)
class Question:
    """What all contenders of an answer share.

    Attributes:
        kind: contests of ``harness speed`` on random data, or runs of a task.
        task, preset: of runs; empty for contests.
        cell, hidden, layers, bidirectional: the model; ``cell`` is the name of a user's own model where it is one.
        batch: sequences per update.
        length, features: of the data of a contest; None for runs, whose task decides them.
        project: which source of this project measured.
        shared: everything in common but machine and project, as JSON.
        differing: what distinguishes runs from other sets of their task and preset, in words.
        about: everything that runs have in common, in words.
        machine: the place's kind, as ``harness.records.machines.slug`` names it.
    """

    kind: Literal["contest", "runs"]
    task: str
    preset: str
    cell: str
    hidden: int
    layers: int
    bidirectional: bool
    batch: int
    length: int | None
    features: int | None
    threads: int
    precision: str
    place: Place
    project: str
    shared: str
    differing: str = ""
    about: str = ""
    machine: str = field(default="", compare=False)


@dataclass(frozen=True)
class Contender:
    """A variant of a backend, and what was measured of it.

    Attributes:
        version: of the framework.
        rate: sequences per second: the median of its runs, or of its rounds.
        slow, fast: between which its blocks were, from the lowest 10th percentile to the highest 90th.
        growth_mib, peak_mib: host memory beyond the level after initialisation, and of the process at its peak.
        device_peak_mib: of the device's allocator, where one was used.
        score: mean of the main score over its runs; solved: how many of them solved the task.
        seeds: different ones.
        seconds_to: inside training steps until the main score passed a level, by the levels that all its runs passed:
            medians.
        sources: its records.
        observations: logarithms of sequences per second, one for each run.
        rounds: of a contest, for each call seconds per update by round.
    """

    backend: str
    version: str | None
    variant: str
    tier: str | None
    rate: float
    slow: float
    fast: float
    growth_mib: float | None
    peak_mib: float | None
    device_peak_mib: float | None
    sources: tuple[Source, ...]
    score: float | None = None
    score_name: str = ""
    solved: int | None = None
    seeds: int = 1
    seconds_to: Mapping[str, float] = field(default_factory=dict, compare=False)
    observations: tuple[float, ...] = ()
    rounds: Mapping[str, Mapping[int, float]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Lead:
    """How many times as fast one contender is as another.

    Attributes:
        ratio: over 1 where it is faster.
        low, high: of its interval at ``confidence``, or of the range of blocks; None where too little was measured.
        basis, count: what the spread is of, and how many of these there were, of the side that has fewer.
        told: whether the measurements can tell that it is faster.
    """

    ratio: float
    low: float | None
    high: float | None
    basis: Basis
    count: int
    confidence: float
    told: bool


@dataclass(frozen=True)
class LeftOut:
    """What does not count: why, and what it read all the same.

    Attributes:
        why: noise, by the names of its flags; a status; or that its speed was not measured.
        noisy: whether it was measured, but disturbed.
        rate, fast: sequences per second, the median and the 90th percentile of its blocks; None where there are none.
        missed: whether nothing else of the same variant counts, so that nobody knows what it would have reached.
    """

    backend: str
    variant: str
    why: str
    noisy: bool
    sources: tuple[Source, ...]
    rate: float | None = None
    fast: float | None = None
    missed: bool = False


@dataclass(frozen=True)
class Gain:
    """What a framework's tuned form gains over what its users get."""

    usual: Contender
    tuned: Contender
    lead: Lead


@dataclass(frozen=True)
class Ceiling:
    """What the device gave in the same call, and how much of it the fastest contender reached.

    Attributes:
        gemm_gflops: rate of a large matrix product; copy_gb_per_s: of a large copy.
        share: of the former, at the median of its rounds; low, high: at the 90th and the 10th percentile.
    """

    gemm_gflops: float
    copy_gb_per_s: float | None
    share: float
    low: float
    high: float
    source: Source


class Limit(NamedTuple):
    """What a device gives: rates of a large matrix product (GFLOP/s) and of a large copy (10⁹ bytes/s), and when."""

    gemm_gflops: float
    copy_gb_per_s: float | None
    measured: datetime
    source: Source


@dataclass(frozen=True)
class Answer:
    """Which backend trains fastest, and how sure that is.

    Attributes:
        standing: the fastest contender of each backend that counts, the fastest first.
        leads: of the first of these over each of the others, in their order.
        left_out: what does not count.
        gains: by backend.
        ceiling: of a contest.
        first, last: when its records were made.
        total: records of the set, those that do not count among them.
        earlier: further sets of the same question, measured with other sources of this project.
        contest: the newest one, for its words; None for runs.
    """

    question: Question
    standing: tuple[Contender, ...]
    leads: tuple[Lead, ...]
    left_out: tuple[LeftOut, ...]
    gains: tuple[Gain, ...]
    ceiling: Ceiling | None
    first: datetime
    last: datetime
    sources: tuple[Source, ...]
    earlier: int = 0
    contest: Contest | None = field(default=None, compare=False)

    @property
    def verdict(self) -> Verdict:
        """Whether the first of the standing is the fastest, and why that cannot be told."""
        if not self.standing:
            return "none"
        if self.open:
            return "open"
        if not self.leads:
            return "alone"
        return "fastest" if all(lead.told for lead in self.leads) else "tied"

    @property
    def open(self) -> tuple[LeftOut, ...]:
        """What was disturbed and read as fast as the fastest: before it is measured again, nobody knows."""
        if not self.standing:
            return ()
        first = self.standing[0]
        return tuple(
            each
            for each in self.left_out
            if each.missed and each.noisy and each.backend != first.backend and (each.fast or 0.0) >= first.slow
        )

    @property
    def tied(self) -> tuple[Contender, ...]:
        """Those that cannot be told apart from the first."""
        return tuple(each for each, lead in zip(self.standing[1:], self.leads, strict=True) if not lead.told)

    @property
    def slower(self) -> tuple[tuple[Contender, Lead], ...]:
        """Those that are slower than the first, and by how much."""
        return tuple((each, lead) for each, lead in zip(self.standing[1:], self.leads, strict=True) if lead.told)

    @property
    def backends(self) -> set[str]:
        """All that took part, whether they count or not."""
        return {each.backend for each in self.standing} | {each.backend for each in self.left_out}


def answers(runs: Iterable[Run], speeds: Iterable[SpeedRecord], figure: Figure) -> list[Answer]:
    """One answer for each question that these records can be asked: of several sources of this project the newest
    under which at least two backends were measured.

    Args:
        figure: gives columns of runs, by the names that tables have for them; and as ``seconds_to`` by levels of the
            main score the seconds until it passed them, None where it never did.
    """
    found: dict[Question, list[Answer]] = {}
    for answer in (*_of_contests(speeds), *_of_runs(runs, figure)):
        found.setdefault(replace(answer.question, project=""), []).append(answer)
    chosen = []
    for same in found.values():
        newest = max(same, key=lambda answer: (len(answer.backends) > 1, answer.last))
        chosen.append(replace(newest, earlier=len(same) - 1))
    return chosen


# -- runs ---------------------------------------------------------------------------------------------
def _of_runs(runs: Iterable[Run], figure: Figure) -> Iterator[Answer]:
    for group in groups(runs):
        shared = trait(group.records[0], "common")
        common = json.loads(shared)
        sets: dict[tuple[Any, ...], list[Run]] = {}
        for run in group.records:
            key = _place(run, common["cpu"]), trait(run, "cell"), trait(run, "model_sha256"), trait(run, "project")
            sets.setdefault(key, []).append(run)
        for (place, cell, source, project_), same in sets.items():
            question = Question(
                kind="runs", task=trait(same[0], "task"), preset=trait(same[0], "preset"), cell=cell,
                **{name: common[name] for name in _OF_ALL}, length=None, features=None, place=place, project=project_,
                shared=f"{shared}{source or ''}", differing=group.differing, about=group.about,
                machine=trait(same[0], "machine_slug"),
            )  # fmt: skip
            yield _of_set(question, same, figure)


_OF_ALL: Final = ("hidden", "layers", "bidirectional", "batch", "threads", "precision")


def _place(run: Run, cpu: str) -> Place:
    name, memory, python = (trait(run, name) for name in ("machine", "memory_bytes", "python"))
    return Place(trait(run, "device"), name, cpu, trait(run, "logical_cpus"), _gib(memory), _minor(python))


def _gib(size: int | None) -> int | None:
    return round(size / 2**30) if size else None


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])


def _of_set(question: Question, runs: Sequence[Run], figure: Figure) -> Answer:
    left_out: list[LeftOut] = []
    counting: dict[tuple[str, str | None, str], list[Run]] = {}
    data = _data_differs(runs)
    apart: dict[tuple[str, str, str, bool], list[Run]] = {}
    for run in runs:
        if trait(run, "tier") not in (*RANKED, None):
            continue
        why, noisy = _not_counting(run, figure) if not data else ("runs of one seed had different data", False)
        backend, variant = trait(run, "backend"), trait(run, "variant")
        if why:
            apart.setdefault((backend, variant, why, noisy), []).append(run)
        else:
            counting.setdefault((backend, trait(run, "version"), variant), []).append(run)
    for (backend, variant, why, noisy), found in apart.items():
        rates = [rate for run in found if (rate := figure(run, "train_seq_s"))]
        fast = [rate for run in found if (rate := figure(run, "train_seq_s_p90"))]
        left_out.append(
            LeftOut(
                backend, variant, why, noisy, tuple(Source(run.id) for run in found),
                statistics.median(rates) if rates else None, max(fast, default=None),
            )
        )  # fmt: skip
    contenders = [_of_repetitions(found, figure) for found in counting.values()]
    moments = [trait(run, "created") for run in runs]
    sources = tuple(Source(run.id) for run in runs)
    return _answer(question, contenders, left_out, _lead_of_runs, moments, sources)


def _data_differs(runs: Sequence[Run]) -> bool:
    digests: dict[int, str] = {}
    return any(
        digests.setdefault(trait(run, "seed"), digest) != digest
        for run in runs if (digest := trait(run, "data_sha256"))
    )  # fmt: skip


def _not_counting(run: Run, figure: Figure) -> tuple[str, bool]:
    """Why a run does not count, and whether it is for noise; nothing of one that does."""
    if not finished(run):
        return str(trait(run, "status")), False
    if shares(run) or not figure(run, "train_seq_s"):
        return "its speed was not measured", False
    noise = " ".join(noise_of(run))
    return noise, bool(noise)


def _of_repetitions(runs: Sequence[Run], figure: Figure) -> Contender:
    def values(name: str) -> list[float]:
        return [value for run in runs if (value := figure(run, name)) is not None]

    def middle(name: str) -> float | None:
        return statistics.median(found) if (found := values(name)) else None

    scores, rates, first = values("score"), values("train_seq_s"), runs[0]
    return Contender(
        backend=trait(first, "backend"), version=trait(first, "version"), variant=trait(first, "variant"),
        tier=trait(first, "tier"), rate=statistics.median(rates), slow=min(values("train_seq_s_p10")),
        fast=max(values("train_seq_s_p90")), growth_mib=middle("host_growth_mib"), peak_mib=middle("host_peak_mib"),
        device_peak_mib=middle("device_peak_mib"), sources=tuple(Source(run.id) for run in runs),
        score=statistics.fmean(scores) if scores else None, score_name=trait(first, "score_name") or "",
        solved=sum(bool(trait(run, "solved")) for run in runs), seeds=len({trait(run, "seed") for run in runs}),
        seconds_to=_seconds_to([figure(run, "seconds_to") for run in runs]), observations=tuple(map(math.log, rates)),
    )  # fmt: skip


def _seconds_to(runs: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    found = {level: [of_run.get(level) for of_run in runs] for level in runs[0]}
    known = {level: [each for each in seconds if each is not None] for level, seconds in found.items()}
    return {level: statistics.median(seconds) for level, seconds in known.items() if len(seconds) == len(runs)}


def _lead_of_runs(a: Contender, b: Contender, confidence: float) -> Lead:
    count = min(len(a.observations), len(b.observations))
    if count >= FEWEST:
        mean, low, high = welch(b.observations, a.observations, confidence)
        return Lead(math.exp(mean), math.exp(low), _exp(high), "runs", count, confidence, low > 0)
    low, high = a.slow / b.fast, a.fast / b.slow
    return Lead(a.rate / b.rate, low, high, "blocks", count, confidence, low > 1 + TOLERANCE)


# -- contests -----------------------------------------------------------------------------------------
class _Held(NamedTuple):
    """A contestant in a contest, with its number among all of its record."""

    record: SpeedRecord
    contest: Contest
    row: Row
    place: int

    @property
    def source(self) -> Source:
        return Source(self.record.id, self.place)


def _of_contests(speeds: Iterable[SpeedRecord]) -> Iterator[Answer]:
    sets: dict[tuple[str, Place, str], list[_Held]] = {}
    for record in speeds:
        rows = [(contest, row) for contest in record.contests for row in contest.rows]
        for place, (contest, row) in enumerate(rows):
            key = _shape(row.spec), _place_of(row, record.environment), project(record.environment)
            sets.setdefault(key, []).append(_Held(record, contest, row, place))
    for held in sets.values():
        yield _of_held(sorted(held, key=lambda each: (each.record.created, each.place)))


def _shape(spec: SpeedSpec) -> str:
    """What is the same in all contests of a question: their data may be drawn anew."""
    return json.dumps({name: value for name, value in spec.shape().items() if name != "seed"}, sort_keys=True)


def _place_of(row: Row, where: Environment) -> Place:
    gpu = row.device_name if row.spec.device == "cuda" else None
    name, memory = gpu or where.cpu, _gib(where.memory_bytes)
    return Place(row.spec.device, name, where.cpu, where.logical_cpus, memory, _minor(where.python))


def _of_held(held: Sequence[_Held]) -> Answer:
    newest, spec = held[-1], held[-1].row.spec
    where = newest.record.environment
    question = Question(
        kind="contest", task="", preset="", cell=spec.model.name, hidden=spec.model.hidden, layers=spec.model.layers,
        bidirectional=spec.model.bidirectional, batch=spec.batch, length=spec.length, features=spec.features,
        threads=spec.threads, precision=spec.precision, place=_place_of(newest.row, where), project=project(where),
        shared=_shape(spec), machine=slug(where),
    )  # fmt: skip
    left_out: list[LeftOut] = []
    counting: dict[tuple[str, str | None, str], list[_Held]] = {}
    for each in held:
        row = each.row
        if row.tier not in (*RANKED, None):
            continue
        noise = " ".join(contestant_flags(row))
        if row.status != "ok" or row.figures is None or noise:
            rates = row.figures.sequences_per_second if row.figures else None
            why = noise if row.status == "ok" and noise else str(row.status)
            left_out.append(
                LeftOut(
                    row.spec.backend, row.current_variant, why, bool(noise) and rates is not None, (each.source,),
                    rates.median if rates else None, rates.p90 if rates else None,
                )
            )  # fmt: skip
        else:
            version = row.versions.get(row.spec.backend)
            counting.setdefault((row.spec.backend, version, row.current_variant), []).append(each)
    contenders = [_of_turns(found) for found in counting.values()]
    moments = [each.record.created for each in held]
    answer = _answer(question, contenders, left_out, _lead_of_turns, moments, tuple(each.source for each in held))
    return replace(answer, contest=newest.contest, ceiling=_ceiling(answer.standing, held))


def _of_turns(held: Sequence[_Held]) -> Contender:
    rows = [each.row for each in held]
    batch, first = rows[0].spec.batch, rows[0]
    figures = [row.figures for row in rows if row.figures]
    times = [block.step_s for row in rows for block in row.blocks]
    rounds = {each.record.id: {n: block.step_s for n, block in each.row.by_round.items()} for each in held}

    def middle(values: Iterable[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    rates = [each.sequences_per_second for each in figures]
    return Contender(
        backend=first.spec.backend, version=first.versions.get(first.spec.backend), variant=first.current_variant,
        tier=first.tier, rate=batch / statistics.median(times) if times else rates[0].median,
        slow=min(each.p10 for each in rates), fast=max(each.p90 for each in rates),
        growth_mib=middle(mib(row.host_growth_bytes) for row in rows),
        peak_mib=middle(mib(row.host_peak_bytes) for row in rows),
        device_peak_mib=middle(mib(row.device_peak_bytes) for row in rows),
        sources=tuple(each.source for each in held), rounds=rounds,
    )  # fmt: skip


def _lead_of_turns(a: Contender, b: Contender, confidence: float) -> Lead:
    calls = [
        [math.log(theirs / a.rounds[call][n]) for n, theirs in b.rounds[call].items() if n in a.rounds[call]]
        for call in b.rounds
        if call in a.rounds
    ]
    calls = [pairs for pairs in calls if pairs]
    if len(calls) >= FEWEST:
        mean, low, high, _ = student([statistics.fmean(pairs) for pairs in calls], confidence)
        return Lead(math.exp(mean), math.exp(low), _exp(high), "calls", len(calls), confidence, low > 0)
    pairs = [pair for each in calls for pair in each]
    if len(pairs) < FEWEST:
        return Lead(a.rate / b.rate, None, None, "rounds", len(pairs), confidence, False)
    mean, low, high, _ = student(pairs, confidence)
    told = low > math.log(1 + TOLERANCE)
    return Lead(math.exp(mean), math.exp(low), _exp(high), "rounds", len(pairs), confidence, told)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))  # beyond, no float holds it


def _ceiling(standing: Sequence[Contender], held: Sequence[_Held]) -> Ceiling | None:
    """Of the fastest contender, in the last call in which it counts."""
    if not standing:
        return None
    of = {source: each for each in held for source in [each.source]}
    last = of[standing[0].sources[-1]]
    figures, roof = last.row.figures, last.record.roofs.get(last.row.spec.device)
    if figures is None or figures.gemm_share is None or roof is None or roof.gemm_gflops is None:
        return None
    share, steps = figures.gemm_share, figures.step_ms
    return Ceiling(
        roof.gemm_gflops, roof.copy_gb_per_s, share, share * steps.median / steps.p90, share * steps.median / steps.p10,
        last.source,
    )  # fmt: skip


def limits(speeds: Iterable[SpeedRecord]) -> dict[Place, Limit]:
    """What each machine gives, from the last call there that measured it."""
    found: dict[Place, Limit] = {}
    for record in sorted(speeds, key=lambda record: record.created):
        rows = (row for contest in record.contests for row in contest.rows)
        for row in rows:
            roof = record.roofs.get(row.spec.device)
            if roof is not None and roof.gemm_gflops is not None:
                place = _place_of(row, record.environment)
                source = Source(record.id)
                found[place] = Limit(roof.gemm_gflops, roof.copy_gb_per_s, record.created, source)
    return found


# -- both ---------------------------------------------------------------------------------------------
def _answer(
    question: Question,
    contenders: Sequence[Contender],
    left_out: Sequence[LeftOut],
    lead: Callable[[Contender, Contender, float], Lead],
    moments: Sequence[datetime],
    sources: tuple[Source, ...],
) -> Answer:
    newest = _of_newest_versions(contenders)
    confidence = together(len(newest))
    by_backend: dict[str, list[Contender]] = {}
    for each in sorted(newest, key=lambda each: (-each.rate, each.backend, each.variant)):
        by_backend.setdefault(each.backend, []).append(each)
    standing = [of_backend[0] for of_backend in by_backend.values()]
    gains = []
    for backend in sorted(by_backend):
        tiers = {tier: [each for each in by_backend[backend] if each.tier == tier] for tier in ("default", "best")}
        if tiers["default"] and tiers["best"]:
            usual, tuned = tiers["default"][0], tiers["best"][0]
            gains.append(Gain(usual, tuned, lead(tuned, usual, confidence)))
    leads = tuple(lead(standing[0], each, confidence) for each in standing[1:])
    counted = {(each.backend, each.variant) for each in contenders}
    aside = tuple(replace(each, missed=(each.backend, each.variant) not in counted) for each in left_out)
    return Answer(question, tuple(standing), leads, aside, tuple(gains), None, min(moments), max(moments), sources)


def together(contenders: int) -> float:
    """The confidence of each pair's interval at which all pairs of so many contenders hold together with 95 %."""
    pairs = sum(1 for _ in combinations(range(contenders), 2))
    return 1 - (1 - CONFIDENCE) / max(1, pairs)


def _of_newest_versions(contenders: Sequence[Contender]) -> list[Contender]:
    """Of each backend those of its newest version that counts: what another version did is history."""
    newest: dict[str, tuple[bool, Version | str]] = {}
    for each in contenders:
        version = _ordered(each.version)
        newest[each.backend] = max(version, newest.get(each.backend, version))
    return [each for each in contenders if _ordered(each.version) == newest[each.backend]]


def _ordered(version: str | None) -> tuple[bool, Any]:
    try:
        return True, Version(version or "")
    except InvalidVersion:
        return False, version or ""
