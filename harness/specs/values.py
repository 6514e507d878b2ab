"""Values that were not written on a command line, brought into the types of the options that take them."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.specs.options import Option

#: Of an object where a name is wanted, such as a task's class that a notebook defines.
_BY_NAME = (
    ": a run has a process of its own, which finds what it needs by its name; "
    "write it to a file of your own and register that, as docs/extending.md says"
)


def value(stated: Option, given: Any) -> Any:
    """``given`` as planning takes the option's value: a list where one is given of what may be repeated.

    Raises:
        UsageError: it is of another type.
    """
    if given is None:
        return None
    if stated.name == "seeds":  # on the command line a number or a list, written as text
        return ",".join(map(str, given)) if isinstance(given, list | tuple | range) else str(given)
    if stated.kind is dict:
        return words(stated, given)
    if isinstance(given, list | tuple | range | set):
        if not stated.repeatable:
            raise UsageError(f"{stated.parameter} takes one value, not {len(given)}")
        return [one(stated, each) for each in given]
    return one(stated, given)


def one(stated: Option, value: Any) -> Any:
    """``value`` in the option's type. Raises UsageError."""
    if stated.lists and isinstance(value, str):
        return value  # "32,64", as on the command line
    try:
        if stated.kind is int and not isinstance(value, bool):
            return operator.index(value)
        if stated.kind is float and not isinstance(value, bool | str):
            return float(value)
        if stated.kind is Path and isinstance(value, str | Path):
            return Path(value)
    except (TypeError, ValueError, OverflowError):
        pass
    if isinstance(value, stated.kind) and stated.kind in (str, bool):
        return value
    spoken = {int: "a whole number", float: "a number", Path: "a path", str: "a name", bool: "True or False"}
    more = "" if isinstance(value, str | int | float | bool | date | time) else _BY_NAME
    shown = str(value) if isinstance(value, date | time) else _shown(value)
    raise UsageError(f"{stated.parameter} takes {spoken[stated.kind]}, not {shown:.60}{more}")


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number of thousands of digits, which Python does not write
        return "a number that long"


def words(stated: Option, value: Any) -> list[str]:
    """Task parameters, given as a mapping, as the words NAME=VALUE; a list of values is one word for each."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{stated.parameter} takes a mapping, such as {{'length': 100}}, not {value!r:.60}")
    return [
        f"{name}={each}" for name, given in value.items() for each in (given if isinstance(given, list) else [given])
    ]
