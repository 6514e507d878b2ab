"""A time series in a table, CSV or Parquet, cut into windows: the rows before, and the target's next values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.datasets.checks import Part
from harness.datasets.sources import Array, check_regular, first_line, in_memory
from harness.errors import UsageError
from tasks.registry import nearest

if TYPE_CHECKING:
    import pandas as pd

CSV, PARQUET = (".csv",), (".parquet", ".pq")
TABLES = (*CSV, *PARQUET)
#: A step between two times may be longer than the usual one by this much: months are 28 to 31 days.
LONGEST_STEP = 1.5
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*")


@dataclass(frozen=True)
class Windows:
    """How a series becomes sequences.

    Attributes:
        target: the column whose next values are predicted.
        window: rows of a sequence.
        horizon: values of the target that follow them, all predicted at once.
        features: columns that a sequence has; None for all but the time, the target's own past included.
        time: the column of times, in rising order, each as far from the next as the others.
    """

    target: str
    window: int = 24
    horizon: int = 1
    features: tuple[str, ...] | None = None
    time: str | None = None


def windows(path: Path, how: Windows) -> tuple[Part, tuple[str, ...]]:
    """All windows of a series, the earliest first, and the names of features and target.

    Raises:
        UsageError: the table cannot be read, or has no such columns, or not numbers alone, or too few rows.
    """
    table = _Table(path)
    wanted = how.features or tuple(name for name in table.names if name != how.time)
    for name in (*wanted, how.target, *filter(None, [how.time])):
        table.check_column(name)
    if how.time in wanted or how.time == how.target:
        raise UsageError(f"--time {how.time}: times are in order, and neither a feature nor the target")
    if len(set(wanted)) < len(wanted):
        raise UsageError("--features names a column twice")
    if how.time:
        table.check_times(how.time)
    values = np.column_stack([table.numbers(name) for name in wanted])
    target = table.numbers(how.target)
    count = len(values) - how.window - how.horizon + 1
    if count < 1:
        least = how.window + how.horizon
        raise UsageError(
            f"{path.name}: a window of {how.window} and a horizon of {how.horizon} need {least:,} rows and more, "
            f"not {len(values):,}"
        )
    x = np.lib.stride_tricks.sliding_window_view(values, how.window, axis=0)[:count].swapaxes(1, 2)
    y = np.lib.stride_tricks.sliding_window_view(target, how.horizon)[how.window :]
    return Part(in_memory("windows", x), in_memory(f"column {how.target!r}", y)), (*wanted, how.target)


class _Table:
    """A table, and where each of its rows is in the file, for messages."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError where the file cannot be read, or has no rows."""
        check_regular(path, "file")
        self.path = path
        self.is_text = path.suffix.lower() in CSV
        self.frame = _csv(path) if self.is_text else _parquet(path)
        self.names = [str(name) for name in self.frame.columns]
        if not len(self.frame):
            raise UsageError(f"{path.name}: has a header and no rows")

    def place(self, row: int) -> str:
        """Where a row is: its line in a CSV file, whose first is the header."""
        return f"line {row + 2}" if self.is_text else f"row {row} (counted from 0)"

    def column(self, name: str) -> pd.Series[Any]:
        """The column of that name."""
        return self.frame.iloc[:, self.names.index(name)]

    def check_column(self, name: str) -> None:
        """Raises UsageError where there is no such column."""
        if name in self.names:
            return
        if self.is_text and len(self.names) == 1 and ";" in self.names[0]:
            raise UsageError(f"{self.path.name}: columns are separated by semicolons; commas are needed")
        raise UsageError(f"{self.path.name}: {nearest('column', name, self.names)}")

    def numbers(self, name: str) -> Array:
        """A column's values, float64. Raises UsageError for one that is no finite number, with its place."""
        import pandas as pd

        column = self.column(name)
        if column.dtype.kind not in "biuf":
            found = pd.to_numeric(column, errors="coerce")
            text = np.flatnonzero((found.isna() & column.notna()).to_numpy())
            if len(text) or not pd.api.types.is_numeric_dtype(found):
                row = int(text[0]) if len(text) else 0
                raise UsageError(self._no_number(name, row, str(column.iloc[row])))
            column = found
        values: Array = column.to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            row = int(wrong[0])
            found_there = "no value" if np.isnan(values[row]) else f"{values[row]:g}"
            where = f"{self.place(row)}, column {name!r}"
            raise UsageError(f"{self.path.name}: {found_there} in {where}; {len(wrong):,} such in all")
        return values

    def _no_number(self, name: str, row: int, text: str) -> str:
        where = f"{self.path.name}: {text[:40]!r} in {self.place(row)}, column {name!r} is no number"
        if _DECIMAL_COMMA.fullmatch(text):
            return f"{where}; decimals have a point, as in {text.strip().replace(',', '.')}"
        return f"{where}; name the columns to use: --features {','.join(self._numeric()) or 'a,b'}"

    def _numeric(self) -> list[str]:
        return [name for name in self.names if self.column(name).dtype.kind in "iuf"][:8]

    def check_times(self, name: str) -> None:
        """Raises UsageError where times are missing, or not in rising order, or have a gap."""
        import pandas as pd

        column = self.column(name)
        if column.dtype.kind not in "iufM":
            column = pd.to_datetime(column, errors="coerce", format="mixed", utc=True)
        missing = np.flatnonzero(column.isna().to_numpy())
        if len(missing):
            raise UsageError(f"{self.path.name}: no time in {self.place(int(missing[0]))}, column {name!r}")
        if column.dtype.kind not in "iuf":
            column = column.astype("int64")
        steps = np.diff(column.to_numpy(dtype=np.float64))
        if not len(steps):
            return
        self._refuse(name, steps <= 0, "is not later than the one before: sort the rows")
        self._refuse(name, steps > LONGEST_STEP * np.median(steps), "comes after a gap: fill it")

    def _refuse(self, name: str, wrong: Array, what: str) -> None:
        """Raises UsageError for the first step between two times that is wrong."""
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0]) + 1
            raise UsageError(
                f"{self.path.name}: the time in {self.place(row)}, column {name!r}, {what}, or leave --time out to "
                "take rows as they come"
            )


def _csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path, low_memory=False, skipinitialspace=True)
    except OSError as error:
        raise UsageError(f"cannot read {path.name}: {error.strerror or error}") from None
    except pd.errors.EmptyDataError:
        raise UsageError(f"{path.name}: the file is empty") from None
    except (ValueError, pd.errors.ParserError) as error:  # what is no UTF-8 is a ValueError, too
        why = first_line(error).removeprefix("Error tokenizing data. C error: ")
        raise UsageError(f"{path.name}: cannot be read as CSV: {why}") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise UsageError(f"{path.name}: rows have more fields than the header; decimals have a point, as in 3.14")
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    if find_spec("pyarrow") is None:
        raise UsageError(f"{path.name}: Parquet needs pyarrow: pip install 'rnn-harness[parquet]'")
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except OSError as error:
        raise UsageError(f"cannot read {path.name}: {error.strerror or first_line(error)}") from None
    except Exception as error:  # of pyarrow's many
        raise UsageError(f"{path.name}: cannot be read as Parquet: {first_line(error)}") from None


def words_of(text: str | None) -> tuple[str, ...] | None:
    """The names in ``a,b,c``; None for no text."""
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def is_table(path: Path) -> bool:
    """Whether the file's ending is that of a table."""
    return path.suffix.lower() in TABLES
