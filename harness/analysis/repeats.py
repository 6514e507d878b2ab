"""Repetitions: several runs of one spec, over seeds or again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.analysis.groups import Group, groups, noise_of, seedless, trait
from harness.analysis.interval import Average
from harness.records.kept import Run


@dataclass(frozen=True)
class Repetitions:
    """The runs of one contender in one cell that were ok.

    Attributes:
        group: in which they may be compared with others.
        contender: who computed them, as ``Group.contender`` says.
        records: one for each seed and repetition, at least one.
    """

    group: Group
    cell: str
    contender: str
    records: list[Run]

    @cached_property
    def averages(self) -> dict[str, Average]:
        """Averages with their intervals that were computed already, by the column's name."""
        return {}

    @property
    def seeds(self) -> int:
        """Different seeds."""
        return len({trait(record, "seed") for record in self.records})

    @property
    def solved(self) -> int:
        """Runs that solved the task."""
        return sum(bool(trait(record, "solved")) for record in self.records)

    @property
    def noisy(self) -> int:
        """Runs that something disturbed."""
        return sum(bool(noise_of(record)) for record in self.records)

    @property
    def score_name(self) -> str:
        """The score that decides whether the task is solved."""
        name: str = trait(self.records[0], "score_name")
        return name

    @cached_property
    def not_ok(self) -> int:
        """Runs of the same spec, seed aside, that were not ok."""
        return self.group.not_ok[seedless(self.records[0])]


def repetitions(records: Iterable[Run]) -> Iterator[Repetitions]:
    """The repetitions of every group, cell and contender. Runs that were not ok are only counted."""
    for group in groups(records):
        yield from repetitions_in(group)


def repetitions_in(group: Group) -> Iterator[Repetitions]:
    """The repetitions of every cell and contender of a group."""
    for (cell, contender), ok in group.contenders().items():
        yield Repetitions(group, cell, contender, ok)


def any_repeated(records: Iterable[Run]) -> bool:
    """Whether any spec was run more than once."""
    return any(len(runs.records) > 1 for runs in repetitions(records))
