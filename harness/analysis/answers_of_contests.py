"""Answers that calls of ``harness speed`` give: contestants took turns, so that their rounds can be paired."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.analysis.answer import TOLERANCE, Answer, Ceiling, Contender, Lead, LeftOut, Limit, Place, Question, Source
from harness.analysis.devices import RANKED
from harness.analysis.difference import student
from harness.analysis.disturbance import contestant_flags
from harness.analysis.groups import project
from harness.analysis.interval import FEWEST
from harness.analysis.standings import answer_of, exp, gib, minor
from harness.records.base import Environment
from harness.records.figures import mib
from harness.records.machines import slug
from harness.records.speed import Contest, Row, SpeedRecord
from harness.specs.speed import SpeedSpec


class _Held(NamedTuple):
    """A contestant in a contest, with its number among all of its record."""

    record: SpeedRecord
    contest: Contest
    row: Row
    place: int

    @property
    def source(self) -> Source:
        return Source(self.record.id, self.place)


def of_contests(speeds: Iterable[SpeedRecord]) -> Iterator[Answer]:
    """An answer for each shape of data and model, on each machine: who trains fastest. Predictions are left out."""
    sets: dict[tuple[str, Place, str], list[_Held]] = {}
    for record in speeds:
        rows = [(contest, row) for contest in record.contests for row in contest.rows]
        for place, (contest, row) in enumerate(rows):
            if row.spec.predicts:
                continue  # here, since a place is the contestant's number among all of its record
            key = _shape(row.spec), _place_of(row, record.environment), project(record.environment)
            sets.setdefault(key, []).append(_Held(record, contest, row, place))
    for held in sets.values():
        yield _of_held(sorted(held, key=lambda each: (each.record.created, each.place)))


def _shape(spec: SpeedSpec) -> str:
    """What is the same in all contests of a question: their data may be drawn anew."""
    shared = {name: value for name, value in spec.shape().items() if name not in ("seed", "measure")}
    return json.dumps(shared, sort_keys=True)


def _place_of(row: Row, where: Environment) -> Place:
    gpu = row.device_name if row.spec.device == "cuda" else None
    name, memory = gpu or where.cpu, gib(where.memory_bytes)
    return Place(row.spec.device, name, where.cpu, where.logical_cpus, memory, minor(where.python))


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
    answer = answer_of(question, contenders, left_out, _lead_of_turns, moments, tuple(each.source for each in held))
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
        return Lead(math.exp(mean), math.exp(low), exp(high), "calls", len(calls), confidence, low > 0)
    pairs = [pair for each in calls for pair in each]
    if len(pairs) < FEWEST:
        return Lead(a.rate / b.rate, None, None, "rounds", len(pairs), confidence, False)
    mean, low, high, _ = student(pairs, confidence)
    told = low > math.log(1 + TOLERANCE)
    return Lead(math.exp(mean), math.exp(low), exp(high), "rounds", len(pairs), confidence, told)


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
