"""A claim: what somebody published of recurrent networks, what measures it here, and the rules that decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from harness.specs.base import Frozen, Positive
from harness.specs.study import Study, Values

#: What may hold the specs that test a claim: one of them, or none where this harness cannot measure it.
MEASUREMENTS: Final = ("study", "speed", "compare", "parity")

Text = Annotated[str, Field(min_length=1, max_length=2000)]
_WHERE = re.compile(r"https://\S+|arXiv:\d{4}\.\d{4,5}|doi:10\.\S+")


def _a_place(where: str) -> str:
    if not _WHERE.fullmatch(where):
        raise ValueError("an address (https://…), arXiv:NUMBER or doi:10.…")
    return where


class Source(Frozen):
    """Who published it, where, and what was claimed on.

    Attributes:
        who: authors and year, a project, or whoever says so.
        where: an address, arXiv number or DOI; None for what everybody says and nobody published (``folklore``).
        place: in it, such as a table or a section.
        figure: as it was claimed; hardware: it was claimed on; baseline: what was compared with.
    """

    who: Text
    where: Annotated[str, Field(max_length=500), AfterValidator(_a_place)] | None = None
    place: Text | None = None
    figure: Text | None = None
    hardware: Text | None = None
    baseline: Text | None = None
    folklore: bool = False

    @model_validator(mode="after")
    def _found(self) -> Self:
        if self.folklore == (self.where is not None):
            raise ValueError("where says where it was published; folklore = true stands for nowhere in particular")
        return self


class Needs(Frozen):
    """What measuring it takes that not every machine has, or that this harness has not.

    Attributes:
        gpu: a CUDA device.
        missing: what no machine has: variants, cells or records that this harness would need.
    """

    gpu: bool = False
    missing: Annotated[tuple[Text, ...], Field(max_length=10)] = ()


#: Options and their values, which choose runs of a study.
Which = dict[str, Any]


class Rule(Frozen):
    """A figure and the bounds that decide: it holds where the whole interval lies within, fails where it lies outside.

    Attributes:
        above, below: the bounds; at least one.
    """

    above: Annotated[float | None, Field(ge=-1e100, le=1e100)] = None
    below: Annotated[float | None, Field(ge=-1e100, le=1e100)] = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.above is None and self.below is None:
            raise ValueError("a rule has a bound: above = …, below = …, or both")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError("above is the lower bound: it is less than below")
        return self


class RatioRule(Rule):
    """How many times as fast, or as heavy, one is as another: of rows of a contest, or of a comparison's sides.

    Attributes:
        of, to: of a contest, BACKEND:VARIANT; of a comparison a and b.
        quantity: ``speed`` in sequences per second, or ``memory``, the growth beyond the level after initialisation.
    """

    kind: Literal["ratio"]
    of: Text
    to: Text
    quantity: Literal["speed", "memory"] = "speed"


class ShareRule(Rule):
    """The share of seeds that solve the task, or reach a level.

    Attributes:
        of: which runs of the study.
        level: one of the levels of the task, as ``steps_to`` of a record has them; None for what the task calls solved.
    """

    kind: Literal["share"]
    of: Which
    level: Text | None = None


class MeanRule(Rule):
    """The mean of a test score over seeds.

    Attributes:
        score: its name; None for the score that decides whether the task is solved.
    """

    kind: Literal["mean"]
    of: Which
    score: Text | None = None


class StepsRule(Rule):
    """How many times as many updates one needs as another to reach a level, seed by seed."""

    kind: Literal["steps"]
    of: Which
    to: Which
    level: Text


class SpreadRule(Rule):
    """How far seeds scatter: updates to a level of the slowest twentieth of seeds over those of the fastest."""

    kind: Literal["spread"]
    of: Which
    level: Text


class DriftRule(Rule):
    """How far the losses of two backends are apart that start from the same numbers: relative, over all pairs.

    Attributes:
        at: the update.
    """

    kind: Literal["drift"]
    at: Positive


@dataclass(frozen=True)
class Sides:
    """Two sides of a comparison, each a study of as many specs as the other: the first of A is compared with that of B.

    Attributes:
        pairs, restarts, block: as of ``harness compare``.
    """

    a: Study
    b: Study
    pairs: int = 40
    restarts: int = 4
    block: float = 0.1


@dataclass(frozen=True)
class Drift:
    """Backends whose losses are compared over some updates: a study of one spec for each of them."""

    study: Study
    updates: int


class Words(Frozen):
    """What a claim file says in words.

    Attributes:
        statement: the claim, in our words.
        otherwise: what a different outcome would mean.
        reduction: what is smaller here than where it was claimed, and how the test differs; None where it is the same.
        minutes: that measuring it takes on two cores, about.
    """

    statement: Text
    otherwise: Text
    reduction: Text | None = None
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = None


@dataclass(frozen=True)
class Claim:
    """What a claim file says.

    Attributes:
        id: the file's name without its ending.
        results: the folder of its records.
        text: of the file; sha256: its digest.
        measurement: one of ``MEASUREMENTS``; None where this harness cannot measure it.
        study, speed, compare, parity: of these the one that is the measurement.
        also: the study once more with values that it lacks, where [study.also] names some; ``of`` and ``to`` choose it
            by ``also = true``, and the other by false.
        which: for each rule, the runs of the study that ``of`` and ``to`` choose: options with lists of values.
    """

    id: str
    path: Path
    results: Path
    text: str
    sha256: str
    words: Words
    source: Source
    needs: Needs
    rules: list[Rule]
    which: list[dict[str, dict[str, Any]]]
    study: Study | None = None
    also: Study | None = None
    speed: Values | None = None
    compare: Sides | None = None
    parity: Drift | None = None

    @property
    def measurement(self) -> str | None:
        """Which kind of measurement tests it."""
        return next((name for name in MEASUREMENTS if getattr(self, name) is not None), None)
