"""The digest of a record: any change of its content shows, and none of its layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.records import seal
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import AlteredRecord, Store, StoreError, read
from tests.harness.conftest import made_record, made_speed


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the leaves of a JSON document are, and its empty containers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [each for key, inner in items for each in paths(inner, (*path, key))]
    return found or [path]


def set_at(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def get_at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


json_values = (
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.just([]) | st.just({})
)  # fmt: skip


both_kinds = pytest.mark.parametrize("make", [made_record, made_speed])


Make = Callable[[], Record | SpeedRecord]


@both_kinds
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.data())
def test_a_record_altered_in_any_single_field_is_never_read_as_unaltered(
    tmp_path: Path, make: Make, data: st.DataObject
) -> None:
    path = Store(tmp_path).write(make())
    document = json.loads(path.read_text())
    place = data.draw(st.sampled_from(paths(document)))
    before, after = get_at(document, place), data.draw(json_values)
    if seal._plain(before) == seal._plain(after) and type(seal._plain(before)) is type(seal._plain(after)):
        return  # no edit
    set_at(document, place, after)
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError):
        read(path)


@both_kinds
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(data=st.data())
def test_nor_is_one_with_a_field_taken_out(tmp_path: Path, make: Make, data: st.DataObject) -> None:
    path = Store(tmp_path).write(make())
    document = json.loads(path.read_text())
    *above, name = data.draw(st.sampled_from([p for p in paths(document) if isinstance(p[-1], str)]))
    del get_at(document, tuple(above))[name]
    path.write_text(json.dumps(document))
    with pytest.raises(StoreError):
        read(path)


@both_kinds
def test_layout_and_order_of_keys_are_no_alteration(tmp_path: Path, make: Make) -> None:
    record = make()
    path = Store(tmp_path).write(record)
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True, indent=7))
    assert read(path) == record


@both_kinds
def test_one_altered_is_said_to_be(tmp_path: Path, make: Make) -> None:
    path = Store(tmp_path).write(make())
    path.write_text(re.sub(r'"hidden": \d+', '"hidden": 7', path.read_text()))
    with pytest.raises(AlteredRecord, match=r"altered since it was written"):
        read(path)
