"""Columns that tables of runs and of contestants share: what both say of one spec executed by one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from harness.presentation.styles import STATUS_STYLES
from harness.presentation.table import Column
from harness.records.base import Execution

Holder = TypeVar("Holder")

_FIXED: Sequence[Column[Execution]] = (
    Column(
        "status", attrgetter("status"), "ok, failed, timeout, interrupted or unavailable", whole=True,
        style=lambda execution: STATUS_STYLES[execution.status],
    ),
    Column("reason", attrgetter("reason"), "why the status is not ok", prose=True),
    Column("backend", attrgetter("spec.backend"), "the framework", whole=True),
    Column("variant", attrgetter("current_variant"), "how the framework computed the cell"),
    Column("tier", attrgetter("tier"), "default, best per update, or fused: several updates at once", whole=True),
    Column("executed", attrgetter("executed"), "what computed the recurrence, found by looking", prose=True),
    Column("device", attrgetter("spec.device"), "cpu or cuda", whole=True),
    Column("precision", attrgetter("spec.precision"), "float32, float64, tf32 or bfloat16"),
    Column("cell", attrgetter("spec.model.name"), "the recurrence, or the name of a model of a user's own"),
    Column("hidden", attrgetter("spec.model.hidden"), "width of the recurrent state", "Int64"),
    Column("layers", attrgetter("spec.model.layers"), "recurrent layers", "Int64"),
    Column(
        "bidirectional", attrgetter("spec.model.bidirectional"), "whether each layer also runs backwards", "boolean"
    ),
    Column("batch", attrgetter("spec.batch"), "sequences per update", "Int64"),
    Column("threads", attrgetter("spec.threads"), "threads of the framework, and CPUs it may use", "Int64"),
    Column("denormals", attrgetter("spec.denormals"), "whether the CPU flushes denormal numbers or keeps them"),
)  # fmt: skip
_COLUMNS: Mapping[str, Column[Execution]] = {column.name: column for column in _FIXED}


def shared(execution: Callable[[Holder], Execution], *names: str) -> Iterator[Column[Holder]]:
    """The columns of these names, for items that contain an execution.

    Args:
        execution: gives an item's execution.
    """
    return (_COLUMNS[name].within(execution) for name in names)
