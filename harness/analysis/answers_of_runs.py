"""Answers that runs of tasks give: the same spec under several seeds is a contender, its runs the observations."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from harness.analysis.answer import TOLERANCE, Answer, Contender, Lead, LeftOut, Place, Question, Source
from harness.analysis.devices import RANKED
from harness.analysis.difference import welch
from harness.analysis.groups import finished, groups, noise_of, shares, trait
from harness.analysis.interval import FEWEST
from harness.analysis.standings import answer_of, exp, gib, minor
from harness.records.kept import Run

#: A column of a run by its name.
Figure = Callable[[Run, str], Any]


def of_runs(runs: Iterable[Run], figure: Figure) -> Iterator[Answer]:
    """An answer for each set of runs that may be compared."""
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
    return Place(trait(run, "device"), name, cpu, trait(run, "logical_cpus"), gib(memory), minor(python))


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
    return answer_of(question, contenders, left_out, _lead_of_runs, moments, sources)


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
        return Lead(math.exp(mean), math.exp(low), exp(high), "runs", count, confidence, low > 0)
    low, high = a.slow / b.fast, a.fast / b.slow
    return Lead(a.rate / b.rate, low, high, "blocks", count, confidence, low > 1 + TOLERANCE)
