"""Selects rows and columns of a frame, by conditions and names as given on a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any

import pandas as pd

import backends
from tasks.registry import nearest

_CONDITION = re.compile(r"\s*([^<>=!\s]+)\s*(>=|<=|!=|==|=|>|<)(.*)", re.DOTALL)
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {">=": ge, "<=": le, ">": gt, "<": lt}


def select(
    table: pd.DataFrame, columns: Sequence[str] = (), sort: Sequence[str] = (), where: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows that meet every condition, in order, with the columns asked for.

    Args:
        columns: names; none for all.
        sort: names, the first one deciding first; a leading minus for descending. Missing values come last.
        where: conditions such as "backend=torch", "steps>=100", "cell!=rnn", or "reason=" for missing. A variant may
            be called by a former name.

    Raises:
        ValueError: an unknown column (with the nearest one), or a condition that is none.
    """
    kept = [True] * len(table)
    for condition in where:
        kept = [a and b for a, b in zip(kept, _meets(table, condition), strict=True)]
    chosen = table[pd.Series(kept, index=table.index, dtype=bool)]
    for word in reversed(sort):  # a stable sort by the last column first
        chosen = _sorted(chosen, word.removeprefix("-"), descending=word.startswith("-"))
    return chosen[[_known(table, name) for name in columns or table.columns]].reset_index(drop=True)


def _known(table: pd.DataFrame, name: str) -> str:
    if name not in table.columns:
        raise ValueError(nearest("column", name, list(table.columns)))
    return name


def _sorted(table: pd.DataFrame, name: str, descending: bool) -> pd.DataFrame:
    values = table[_known(table, name)].tolist()
    present = [i for i, value in enumerate(values) if not pd.isna(value)]
    missing = [i for i, value in enumerate(values) if pd.isna(value)]
    return table.iloc[sorted(present, key=values.__getitem__, reverse=descending) + missing]


def _meets(table: pd.DataFrame, condition: str) -> list[bool]:
    match = _CONDITION.fullmatch(condition)
    if not match:
        raise ValueError(f"not a condition: {condition!r}; write for example backend=torch, steps>=100 or cell!=rnn")
    name, operator, text = match.group(1), match.group(2), match.group(3).strip()
    column = table[_known(table, name)]
    convert = _converter(name, column)
    values = [None if pd.isna(value) else value for value in column.tolist()]
    if operator in _ORDERINGS:
        compare, level = _ORDERINGS[operator], convert(text)
        return [value is not None and compare(_comparable(value), level) for value in values]
    wanted: list[Any] = [None if text == "" else convert(text)] * len(values)
    if name == "variant" and text and "backend" in table:  # by a former name too; each backend knows its own
        wanted = [backends.current_variant(backend, text) for backend in table["backend"]]
    same = [
        value is None if level is None else value is not None and _comparable(value) == level
        for value, level in zip(values, wanted, strict=True)
    ]
    return [not yes for yes in same] if operator == "!=" else same


def _comparable(value: Any) -> Any:
    """A time compares as its ISO text, so that "created>=2026-11" is a condition."""
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def _converter(name: str, column: pd.Series[Any]) -> Callable[[str], Any]:
    """How a condition's text becomes a value of the column's type."""

    def number(text: str) -> float:
        try:
            return int(text)  # exact where a float is not: seeds go to 2**63
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"column {name!r} holds numbers, and {text!r} is none") from None

    def truth(text: str) -> bool:
        if text.lower() not in ("true", "yes", "false", "no"):
            raise ValueError(f"column {name!r} holds true or false, and {text!r} is neither")
        return text.lower() in ("true", "yes")

    if pd.api.types.is_bool_dtype(column.dtype):
        return truth
    return number if pd.api.types.is_numeric_dtype(column.dtype) else str
