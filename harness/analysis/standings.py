"""From contenders to an answer: who stands where, at which confidence, and what tuning gains."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import combinations
from typing import Any

from packaging.version import InvalidVersion, Version

from harness.analysis.answer import Answer, Contender, Gain, Lead, LeftOut, Question, Source
from harness.analysis.difference import CONFIDENCE


def answer_of(
    question: Question,
    contenders: Sequence[Contender],
    left_out: Sequence[LeftOut],
    lead: Callable[[Contender, Contender, float], Lead],
    moments: Sequence[datetime],
    sources: tuple[Source, ...],
) -> Answer:
    """The answer that these contenders give.

    Args:
        lead: of one contender over another, at a confidence.
        moments: when the records were made.
    """
    newest = _of_newest_versions(contenders)
    confidence = together(len(newest))
    by_backend: dict[str, list[Contender]] = {}
    for each in sorted(newest, key=lambda each: (-each.rate, each.backend, each.variant)):
        by_backend.setdefault(each.backend, []).append(each)
    standing = [of_backend[0] for of_backend in by_backend.values()]
    gains = []
    for backend in sorted(by_backend):
        usual, tuned = (
            next(filter(is_it, by_backend[backend]), None)
            for is_it in (lambda each: each.is_stock, lambda each: each.tier == "best")
        )
        if usual and tuned:
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


def gib(size: int | None) -> int | None:
    """Bytes as whole GiB; None for none."""
    return round(size / 2**30) if size else None


def minor(python: str) -> str:
    """A version of Python without what changes no figure: 3.11 of 3.11.9."""
    return ".".join(python.split(".")[:2])


def exp(value: float) -> float:
    """The exponential function, finite for every interval's end."""
    return math.exp(min(value, 700.0))  # beyond, no float holds it
