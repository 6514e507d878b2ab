"""Values that come from Python or a study file are brought into their options' types, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import UsageError
from harness.specs.options import option
from harness.specs.values import value


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("hidden", 24, 24),
        ("hidden", np.int64(24), 24),
        ("hidden", range(2), [0, 1]),
        ("lr", 1, 1.0),
        ("lr", [1e-3, np.float32(0.5)], [1e-3, 0.5]),
        ("seeds", 3, "3"),
        ("seeds", [0, 7], "0,7"),
        ("results", "there", Path("there")),
        ("bidirectional", True, True),
        ("backend", ("numpy", "torch"), ["numpy", "torch"]),
        ("parameter", {"length": [5, 6], "markers": "halves"}, ["length=5", "length=6", "markers=halves"]),
        ("clip", None, None),
    ],
)
def test_a_value_is_brought_into_its_options_type(name: str, given: Any, taken: Any) -> None:
    found = value(option(name), given)
    assert found == taken
    assert type(found) is type(taken)


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("hidden", 2.5, "hidden takes a whole number, not 2.5"),
        ("hidden", True, "hidden takes a whole number, not True"),
        ("lr", "fast", "lr takes a number, not 'fast'"),
        ("bidirectional", 1, "bidirectional takes True or False, not 1"),
        ("clip", [1.0, 2.0], "clip takes one value, not 2"),
        ("parameter", "length=5", "parameter takes a mapping"),
        ("task", object, "task takes a name, not <class 'object'>: a run has a process of its own"),
    ],
)
def test_another_type_is_refused_in_one_line(name: str, given: Any, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        value(option(name), given)
    assert str(refused.value).startswith(why)
    assert "\n" not in str(refused.value)
