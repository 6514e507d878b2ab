"""Folders of records, of any size: what the index keeps of each record, and what commands get from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from harness.analysis.groups import TRAITS
from harness.analysis.interval import remembering
from harness.presentation import parsing
from harness.presentation.curves import curve_of
from harness.presentation.run_columns import COLUMNS, KEPT, KEPT_BESIDES, KEPT_BY_PREFIX
from harness.records.facts import FACTS, Fact
from harness.records.index import Kind, Layout, Row
from harness.records.kept import Kept
from harness.records.run import Record
from harness.records.snapshot import Snapshot
from harness.records.store import Found, StoreError, read, sealed

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: What the index keeps of a run, by name, each name once.
OF_RUNS: Final = {**FACTS, **TRAITS, **KEPT, **KEPT_BESIDES, **KEPT_BY_PREFIX}
#: Texts that many records share.
_SHARED: Final = ("common", "seedless", "versions", "machine", "surroundings", "name", "P.", "baseline.")
_TRUTHS: Final = (
    "measured", "higher_is_better", *(name for name, column in COLUMNS.items() if column.kind == "boolean"),
)  # fmt: skip


def kinds() -> dict[str, Kind]:
    """Of the names that SQLite does not keep as they are."""
    shared: dict[str, Kind] = dict.fromkeys(_SHARED, "shared")
    truths: dict[str, Kind] = dict.fromkeys(_TRUTHS, "boolean")
    return {**shared, **truths, "created": "time"}


def row(path: str) -> Row:
    """What the index keeps of one file."""
    try:
        record, seal = sealed(Path(path))
    except StoreError as error:
        return Row(path, problem=str(error).removeprefix(f"{Path(path)}: "))
    if isinstance(record, Record):
        values: Sequence[Any] = [get(record) for get in OF_RUNS.values()]
        curve: bytes | None = curve_of(record).packed()
    else:
        values, curve = [FACTS[name](record) if name in FACTS else None for name in OF_RUNS], None
    moment = (record.created - _EPOCH) // _MICROSECOND
    return Row(path, None, record.KIND, record.id, seal, moment, values, curve)


def snapshot(places: Iterable[Path]) -> Snapshot:
    """The records of these places by columns, what is new in them parsed."""
    return Snapshot(list(places), Layout(list(OF_RUNS), kinds(), _rows))


def _rows(paths: Sequence[str]) -> Iterator[Row]:
    return parsing.rows(paths, row)


def facts(places: Iterable[Path], names: Sequence[str] = tuple(FACTS)) -> tuple[list[dict[str, Fact]], list[str]]:
    """For each record of these places, in the order of their making, its file (``path``) and these facts by name.

    Args:
        names: of ``harness.records.facts.FACTS``.

    Returns:
        The rows, and a line for each file that is no record and for each fault of the index.
    """
    found = snapshot(places)
    found.fetch(names)
    columns = [found.paths, *(found.columns[name] for name in names)]
    rows = [dict(zip(("path", *names), values, strict=True)) for values in zip(*columns, strict=True)]
    return rows, [*found.notes, *found.problems]


def read_all(places: Iterable[Path]) -> Found:
    """The records in folders, their subfolders, packs and files, in the order of their making: runs as the index keeps
    them, records of other kinds themselves.
    """
    snap = snapshot(places)
    runs = [Kept(snap, place) for place, kind in enumerate(snap.kinds) if kind == Record.KIND]
    found = Found(runs, snap.problems, notes=snap.notes, index=snap, seals=snap.seal_of)
    for place, kind in enumerate(snap.kinds):
        if kind != Record.KIND:
            try:
                found.add(read(Path(snap.paths[place])))
            except StoreError as error:  # it went since
                snap.problems.append(str(error))
    return found


@contextmanager
def prepared(found: Found, names: Iterable[str] = ()) -> Iterator[None]:
    """A block that needs these columns of all runs, and intervals over them: of an index, each comes from there.

    Args:
        names: of the columns, read at once; others come when they are asked for.
    """
    if found.index is None:
        yield
        return
    found.index.fetch([*TRAITS, *names])
    known = found.index.intervals()
    memory = dict(known)
    with remembering(memory):
        yield
    found.index.add_intervals({key: ends for key, ends in memory.items() if key not in known})
