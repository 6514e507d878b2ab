"""Your own data sets from Python: ``harness.data.add("mine", x=X_train, y=y_train)``, as ``harness data`` keeps them.

What an option means is stated in ``harness data add --help``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.datasets.keeping import Wish
from harness.datasets.sources import Array
from harness.datasets.splitting import Rule
from harness.errors import UsageError
from harness.presentation.table import Table
from harness.results import Shown
from harness.text import harmless
from harness.workflows import data as workflow
from tasks import datasets
from tasks.datasets import DataSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Described", "Kept", "add", "kept", "remove", "show"]
Given = str | Path | Array


class Described(Shown):
    """A data set that is kept: ``name``, and ``stored`` with its shapes, splits, baseline and digest."""

    def __init__(self, name: str, stored: DataSet) -> None:
        self.name, self.stored = name, stored

    def notes(self) -> list[str]:
        """What it is, in lines."""
        return workflow.described(self.name, self.stored)


class Kept(Shown):
    """The data sets that are kept."""

    def __init__(self) -> None:
        self.names = datasets.names()

    def frame(self) -> pd.DataFrame:
        """A row for each."""
        import pandas as pd

        table = workflow.table()
        return pd.DataFrame(table.texts(), columns=table.headings)

    def tables(self) -> list[Table]:
        """The table that ``harness data list`` prints."""
        return [workflow.table()] if self.names else []

    def notes(self) -> list[str]:
        """How to add one, where there is none."""
        return [] if self.names else ["none; add one: harness.data.add(name, x=X, y=y)"]


def add(
    name: str,
    file: str | Path | None = None,
    *,
    x: Given | None = None,
    y: Given | None = None,
    lengths: Given | None = None,
    x_test: Given | None = None,
    y_test: Given | None = None,
    lengths_test: Given | None = None,
    regression: bool = False,
    target: str | None = None,
    window: int | None = None,
    horizon: int | None = None,
    features: Sequence[str] | None = None,
    time: str | None = None,
    standardise: bool = False,
    fractions: Sequence[float] | None = None,
    split_seed: int = 0,
    by_time: bool = False,
) -> Described:
    """Check, split and keep a data set; then ``harness.run(task=name)``.

    Args:
        name: that ``task`` takes.
        file: all arrays in an ``.npz``, or a time series, ``.csv`` or ``.parquet``.
        x: inputs, (sequences, steps, features): an array, or the path of an ``.npy``; so the other five.
        y: targets: numbers, or integers from 0 for classes; (sequences, …) or (sequences, steps, …).
        lengths: steps of each sequence, (sequences,), where they differ.
        x_test, y_test, lengths_test: the same for testing; else some of the sequences are taken.
        regression: integers are numbers, not classes.
        target, window, horizon, features, time: of a time series, as on the command line.
        standardise: by mean and standard deviation of the training split.
        fractions: of training, validation and, where it is not given, test.
        split_seed: draws which sequence is in which split.
        by_time: split in the order of rows.

    Raises:
        UsageError: something is wrong, in one line; nothing was kept.
    """
    _check_name(name)
    if isinstance(split_seed, bool) or not isinstance(split_seed, int) or split_seed < 0:
        raise UsageError(f"split_seed takes a whole number from 0, not {split_seed!r:.60}")
    if fractions is not None and (isinstance(fractions, str) or not all(map(_is_number, _listed(fractions)))):
        raise UsageError(f"fractions takes numbers such as (0.8, 0.1, 0.1), not {fractions!r:.60}")
    for switch, value in (("regression", regression), ("standardise", standardise), ("by_time", by_time)):
        if not isinstance(value, bool):
            raise UsageError(f"{switch} takes True or False, not {value!r:.60}")
    named = {"x": x, "y": y, "lengths": lengths, "x_test": x_test, "y_test": y_test, "lengths_test": lengths_test}
    arrays = {role: _given(role, value) for role, value in named.items() if value is not None}
    windows = workflow.windows_of(target, window, horizon, None if features is None else tuple(features), time)
    given = workflow.Given(None if file is None else Path(file), arrays, windows)
    rule = Rule(None if fractions is None else tuple(fractions), split_seed, by_time)
    return Described(name, workflow.add(given, Wish(name, rule, standardise, regression), _note))


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise UsageError(f"name takes a text, not {name!r:.60}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(values: Any) -> list[Any]:
    """The values of a sequence; of anything else, itself as the only one, which is no number."""
    return list(values) if isinstance(values, Sequence) else [None]


def _given(role: str, value: Any) -> Path | Array:
    if isinstance(value, str | Path):
        return Path(value)
    with suppress(ValueError):  # rows of different lengths
        array = np.asarray(value)
        if array.dtype != object:
            return array
    raise UsageError(f"{role} takes an array of numbers or a path, not {type(value).__name__}")


def _note(line: str) -> None:
    print(harmless(f"note: {line}", keep=""), file=sys.stderr)


def kept() -> Kept:
    """The data sets that are kept, as ``harness data list``."""
    return Kept()


def show(name: str) -> Described:
    """What a data set is. Raises UsageError where there is none of that name, or its files are not as written."""
    _check_name(name)
    stored = workflow.named(name)
    if wrong := workflow.checked(stored):
        raise UsageError(wrong)
    return Described(name, stored)


def remove(name: str) -> None:
    """Delete a data set; records of runs on it stay. Raises UsageError where there is none of that name."""
    _check_name(name)
    workflow.remove(name)
