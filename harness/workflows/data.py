"""``harness data``: a user's own data sets, added, listed, shown and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import tasks
from harness.datasets import checks, keeping, series, sources
from harness.datasets.checks import Part
from harness.datasets.keeping import Wish
from harness.datasets.series import Windows
from harness.datasets.sources import Array
from harness.errors import UsageError
from harness.presentation.table import Column, Table
from harness.processes.stopping import may_stop, terminated_as_interrupted
from harness.records.figures import mib
from harness.text import number
from tasks import datasets, own
from tasks.base import SPLITS, DataUnavailable
from tasks.datasets import DataSet

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Given:
    """The files, or from Python the arrays, that a user names.

    Attributes:
        file: with all arrays (``.npz``), or with a table.
        arrays: single arrays by what each is: ``x``, ``y``, ``lengths``, ``x_test``, ``y_test``, ``lengths_test``.
        windows: how a table becomes sequences; None where nothing was said.
    """

    file: Path | None = None
    arrays: Mapping[str, Path | Array] = field(default_factory=dict)
    windows: Windows | None = None


def windows_of(
    target: str | None,
    window: int | None,
    horizon: int | None,
    features: tuple[str, ...] | None,
    time: str | None,
) -> Windows | None:
    """How a table becomes sequences; None where nothing is said.

    Raises:
        UsageError: something is said, but not which column is to be predicted.
    """
    if target is not None:
        return Windows(target, window or 24, horizon or 1, features, time)
    if any(each is not None for each in (window, horizon, features, time)):
        raise UsageError("--window, --horizon, --features and --time need --target COLUMN")
    return None


def add(given: Given, wish: Wish, tell: Tell) -> DataSet:
    """Read, check and keep a data set.

    Raises:
        UsageError: something is wrong, in one line; nothing was kept.
    """
    keeping.check_name(wish.name, tasks.registry.registered())
    if given.windows is not None:
        import pandas  # noqa: F401 - before a signal may stop us: one that comes while a library is imported can be lost
    with terminated_as_interrupted(), may_stop(), keeping.locked() as place:
        keeping.check_name(wish.name, tasks.registry.registered())  # another process may have been before us
        with keeping.scratch(place) as scratch:
            main, test, wish = _read(given, wish, scratch)
            return keeping.keep(wish, main, test, place, tell)


def _read(given: Given, wish: Wish, scratch: Path) -> tuple[Part, Part | None, Wish]:
    if given.file is None:
        if given.windows is not None:
            raise UsageError(
                "--target, --features and --time are for a table: harness data add NAME FILE.csv --target y"
            )
        if not given.arrays:
            raise UsageError("a data set needs --x X.npy --y Y.npy, or a file: .npz, .csv or .parquet")
        found = {role: _source(value, f"--{role.replace('_', '-')}") for role, value in given.arrays.items()}
        return *checks.parts(found), wish
    if given.arrays:
        raise UsageError(f"{given.file.name} or single arrays (--x, --y …): give one of them")
    if series.is_table(given.file):
        if given.windows is None:
            raise UsageError(f"{given.file.name}: --target COLUMN says which column is to be predicted")
        part, columns = series.windows(given.file, given.windows)
        rule = replace(wish.rule, by_time=True, gap=given.windows.horizon - 1)
        return part, None, replace(wish, rule=rule, regression=True, columns=columns)
    if given.windows is not None:
        raise UsageError(f"{given.file.name}: --target, --features and --time are for a table, .csv or .parquet")
    if given.file.suffix.lower() != ".npz":
        raise UsageError(
            f"{given.file.name}: a file is .npz, {', '.join(series.TABLES)}; single arrays: --x X.npy --y Y.npy"
        )
    return *checks.parts(sources.npz(given.file, scratch)), wish


def _source(value: Path | Array, name: str) -> sources.Source:
    return sources.npy(value, name) if isinstance(value, Path) else sources.held(value, name)


def remove(name: str) -> None:
    """Delete a data set. Raises UsageError where there is none of that name."""
    with keeping.locked() as place:
        if keeping.remove(name, place) is None:
            raise _unknown(name)


def _unknown(name: str) -> UsageError:
    known = ", ".join(datasets.names()) or "none; add one: harness data add NAME --x X.npy --y Y.npy"
    return UsageError(f"no data set {name[:40]!r}; known: {known}")


def named(name: str) -> DataSet:
    """The data set of that name. Raises UsageError where there is none."""
    try:
        return datasets.named(name)
    except LookupError:
        raise _unknown(name) from None


class _Row(NamedTuple):
    name: str
    stored: DataSet


def table() -> Table:
    """A row for each data set."""
    columns: list[Column[_Row]] = [
        Column("name", lambda row: row.name, whole=True),
        Column("about", lambda row: own.summary(row.stored).removeprefix("your own data: "), prose=True),
        *(Column(split, _sized(split), kind="Int64") for split in SPLITS),
        Column("MiB", lambda row: mib(row.stored.bytes), kind="float64", write=number),
        Column("SHA-256", lambda row: row.stored.short, whole=True),
    ]
    rows = [_Row(name, datasets.named(name)) for name in datasets.names()]
    return Table.of(columns, rows, layout="airy")


def _sized(split: str) -> Callable[[_Row], int]:
    return lambda row: row.stored.splits[split]  # type: ignore[index]


def described(name: str, stored: DataSet) -> list[str]:
    """What a data set is, in lines."""
    splits = ", ".join(f"{split} {stored.splits[split]:,}" for split in SPLITS)
    lines = [
        f"{name}: {own.summary(stored).removeprefix('your own data: ')}",
        f"splits: {splits} ({stored.split_by})",
        f"baseline: {', '.join(f'{score} {value:.4g}' for score, value in stored.baseline.items())}",
        f"standardised: {'by the training split' if stored.standardised else 'no'}",
    ]
    if stored.columns:
        lines.append(f"features: {', '.join(stored.columns[:-1])}; target: {stored.columns[-1]}")
    lines.append(f"SHA-256 {stored.sha256}, {number(mib(stored.bytes) or 0)} MiB")
    return lines


def checked(stored: DataSet) -> str | None:
    """What is wrong with the files; None where they are as they were written. Large ones are not read."""
    try:
        for split in SPLITS:
            stored.arrays(split)
    except DataUnavailable as error:
        return str(error)
    return None
