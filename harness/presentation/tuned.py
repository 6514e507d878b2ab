"""What was tuned as tables: contest by contest as they are held, and choice by choice as they are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from harness.presentation.contest_columns import times
from harness.presentation.table import Cell, Column, Item, Table
from harness.records.base import Ratio
from harness.records.tuned import Tuned
from harness.text import printable

_ABOUT = (
    "speed as a multiple of the variant that the backend's rule takes, and of the stock layer, each with its 95 % "
    "interval"
)


class _Held(Protocol):
    """A contest that was held: ``harness.workflows.tune`` has them."""

    @property
    def backend(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def measured(self) -> str: ...
    @property
    def choice(self) -> Tuned | None: ...
    @property
    def reason(self) -> str | None: ...


def of_contests(held: Sequence[_Held]) -> Table:
    """A row per contest; below it why some came to no choice, or to one that was disturbed."""
    columns: list[Column[_Held]] = [
        Column("backend", lambda each: each.backend),
        *([Column("device", lambda each: each.device)] if len({each.device for each in held}) > 1 else []),
        Column("shape", lambda each: each.measured),
        *_of(lambda each: each.choice),
    ]
    notes = [
        Cell(printable(f"{each.backend}, {each.measured}: {each.reason}"), "yellow") for each in held if each.reason
    ]
    disturbed = [each.choice for each in held if each.choice and each.choice.disturbed]
    return Table.of(columns, held, about=_ABOUT, notes=[*notes, *_disturbed(disturbed)])


def of_choices(kept: Sequence[Tuned]) -> Table:
    """A row per choice that is kept; its last column says whether ``auto`` takes it here."""
    columns: list[Column[Tuned]] = [
        Column("backend", lambda each: each.kind.backend),
        *([Column("device", lambda each: each.kind.device)] if len({each.kind.device for each in kept}) > 1 else []),
        Column("shape", lambda each: each.measured),
        Column("threads", lambda each: each.kind.threads, kind="Int64"),
        *_of(_itself),
        Column("measured", lambda each: f"{each.created:%Y-%m-%d}", whole=True),
        Column("used here", lambda each: f"no: {each.unused}" if each.unused else "yes"),
    ]
    ordered = sorted(kept, key=lambda each: (each.kind.backend, each.kind.device, each.measured, each.created))
    disturbed = [each for each in kept if each.disturbed]
    return Table.of(columns, ordered, about=_ABOUT, notes=_disturbed(disturbed), leaving=("threads", "measured"))


def _itself(choice: Tuned) -> Tuned:
    return choice


def _of(choice: Callable[[Item], Tuned | None]) -> list[Column[Item]]:
    """The columns of a choice, which ``choice`` finds in a row's item."""

    def word(item: Item) -> str | None:
        found = choice(item)
        return None if found is None else f"{found.variant}{' *' * found.disturbed}"

    def over_rule(item: Item) -> str | None:
        found = choice(item)
        if found is None:
            return None
        if found.variant != found.rule:
            return f"{_in_full(found.over_rule)} {found.rule}".strip()
        return "the rule's, tied" if found.tied else "the rule's"

    def over_stock(item: Item) -> str | None:
        found = choice(item)
        return None if found is None else _in_full(found.over_stock)

    def of(item: Item) -> int | None:
        found = choice(item)
        return None if found is None else found.of

    return [
        Column("auto takes", word),
        Column("of", of, kind="Int64"),
        Column("× rule", over_rule),
        Column("× stock", over_stock),
    ]


def _in_full(ratio: Ratio | None) -> str:
    """As in "3.2 (3.1–3.4)"."""
    median, interval = times(ratio)
    return f"{median} ({interval})" if interval else median


def _disturbed(found: Sequence[Tuned]) -> list[Cell]:
    return [Cell("* others computed meanwhile: measure it again when they are quiet", "yellow")] if found else []
