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

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

import backends
from harness.records.speed import Contest

#: By how much two starts of the same program may differ: what ``harness compare --against`` tolerates.
TOLERANCE: Final = 0.05
#: What the spread of a ratio is taken from.
Basis = Literal["runs", "blocks", "calls", "rounds"]
Verdict = Literal["fastest", "tied", "open", "alone", "none"]


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

    @property
    def is_stock(self) -> bool:
        """Whether it is the framework's own layer."""
        return backends.is_stock(self.backend, self.variant, self.tier)


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
