"""What records of runs and of contests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import Store, read
from tests.harness.conftest import made_contestant, made_speed

RecordFactory = Callable[..., Record]


@pytest.mark.parametrize(
    ("backend", "written", "current"),
    [("numpy", "halves", "parts"), ("torch", "late-dw", "deferred-dw"), ("torch", "nn", "nn"), ("mine", "x", "x")],
)
def test_a_record_is_named_by_its_variants_present_name_and_keeps_the_one_it_was_written_with(
    make_record: RecordFactory, backend: str, written: str, current: str
) -> None:
    record = make_record(backend=backend, variant=written)
    assert (record.variant, record.current_variant, record.name) == (written, current, f"{backend} {current}")
    row = made_contestant("numpy", 1.0).model_copy(update={"variant": "halves"})
    assert (row.variant, row.name) == ("halves", "numpy parts")


@pytest.mark.parametrize("make", [lambda make_record: make_record(), lambda make_record: made_speed()])
def test_both_kinds_are_sealed_alike(
    tmp_path_factory: pytest.TempPathFactory,
    make_record: RecordFactory,
    make: Callable[[RecordFactory], Record | SpeedRecord],
) -> None:
    record = make(make_record)
    again = read(Store(tmp_path_factory.mktemp("store")).write(record))
    assert again.digest == record.digest
    assert len(record.digest) == 64
    assert record.model_copy(update={"id": "another"}).digest != record.digest
