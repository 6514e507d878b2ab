"""The statements of options against the specs whose fields they fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.errors import UsageError
from harness.specs.options import (
    FOLLOWING,
    RUN,
    SPEED,
    WITHOUT_OPTION,
    WITHOUT_SPEED_OPTION,
    Option,
    complete,
    filled,
    nested,
    option,
    value_at,
)
from harness.specs.run import RunSpec
from harness.specs.speed import SpeedSpec

BOTH = pytest.mark.parametrize(
    ("options", "spec", "without"),
    [(RUN, RunSpec, (*WITHOUT_OPTION, *FOLLOWING)), (SPEED, SpeedSpec, WITHOUT_SPEED_OPTION)],
)


def leaves(spec: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a spec by their paths."""
    for name, field in spec.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", field


@BOTH
def test_every_field_of_a_spec_is_filled_by_one_option_or_named_as_having_none(
    options: Sequence[Option], spec: type[BaseModel], without: Sequence[str]
) -> None:
    filling = Counter([each.fills for each in options if each.fills] + list(without))
    assert filling == Counter(path for path, _ in leaves(spec))


@BOTH
def test_the_default_that_help_shows_is_the_specs(
    options: Sequence[Option], spec: type[BaseModel], without: Sequence[str]
) -> None:
    fields = dict(leaves(spec))
    for each in options:
        if each.fills is None or each.otherwise == "the preset's" or fields[each.fills].is_required():
            continue
        default = fields[each.fills].default
        if each.otherwise is not None:
            assert each.otherwise.partition(";")[0] == ("yes" if default is True else str(default)), each
        elif each.default is not None:
            assert each.default in (default, (default,)) or each.default == ("all",), each


@pytest.mark.parametrize("options", [RUN, SPEED])
def test_names_are_unique_and_help_is_a_sentence(options: Sequence[Option]) -> None:
    assert len({each.parameter for each in options}) == len(options)
    for each in options:
        assert each.about.endswith("."), each
        assert each.parameter.isidentifier()


def test_an_option_gives_the_words_of_a_value() -> None:
    assert option("hidden").words(24) == ["--hidden", "24"]
    assert option("lr").words(1e-3) == ["--lr", "0.001"]
    assert option("clip").words(None) == ["--clip", "0"]
    assert option("chrono").words(None) == []
    assert option("bidirectional").words(True) == ["--bidirectional"]
    assert option("bidirectional").words(False) == []
    assert option("deterministic").words(False) == ["--no-deterministic"]
    assert option("parameter").words({"length": 4, "noise": 0.1}) == ["-P", "length=4", "-P", "noise=0.1"]


def test_what_is_not_given_has_its_default_and_none_is_not_given() -> None:
    found = complete(RUN, {"hidden": 24, "preset": None, "task": "copy"})
    assert set(found) == {each.parameter for each in RUN}
    assert (found["hidden"], found["preset"], found["batch"]) == ([24], "smoke", None)
    assert (found["task"], found["cell"]) == (["copy"], ["lstm"])
    assert found["results"] == Path("results/local")


def test_a_list_may_be_given_for_what_is_repeatable() -> None:
    assert complete(RUN, {"seed": (1, 2)})["seed"] == [1, 2]
    assert complete(RUN, {"seed": 0})["seed"] == [0]


@pytest.mark.parametrize(("name", "near"), [("hiden", "hidden"), ("evaluate-every", "evaluate_every")])
def test_an_unknown_name_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"unknown option '{name}'; did you mean '{near}'"):
        complete(RUN, {name: 1})


def test_options_fill_fields_by_path() -> None:
    chosen: dict[str, Any] = {"hidden": 24, "clip": 0, "lr": None, "timeout": 3.0, "deterministic": False}
    fields = filled(RUN, chosen)
    assert fields == {"model.hidden": 24, "optimizer.clip": None, "deterministic": False}
    assert nested(fields) == {"model": {"hidden": 24}, "optimizer": {"clip": None}, "deterministic": False}


def test_a_field_is_read_by_its_path() -> None:
    spec = SpeedSpec.model_validate(
        {"backend": "numpy", "threads": 1, "batch": 1, "length": 2, "features": 3, "model": {"hidden": 5}}
    )
    assert value_at(spec, "model.hidden") == 5
    assert value_at(spec, "length") == 2
