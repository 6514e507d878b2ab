"""What a stranger writes into a record stays text: the drill ``tests/drills/escapes.py`` in small."""

from __future__ import annotations

import csv
import io
import json

import pytest

from harness.presentation.export import FOR_PEOPLE, render
from harness.presentation.screen import drawn
from harness.presentation.show import show
from harness.records.store import Found, read_all
from tests.fixtures.hostile_records import PAYLOADS, hostile

COUNT = 900


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Records with a payload at every place, the refused ones by what is said of them."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, record in enumerate(hostile(COUNT)):
        (folder / f"{number}.json").write_bytes(record.text)
    return read_all([folder])


def test_some_payload_of_each_kind_is_accepted(found: Found) -> None:
    assert len(found.records) + len(found.speeds) + len(found.problems) == COUNT
    accepted = "".join(each.json_line() for each in (*found.records, *found.speeds))
    assert [kind for kind, payload in PAYLOADS.items() if json.dumps(payload)[1:-1] not in accepted] == []


@pytest.mark.parametrize("form", FOR_PEOPLE)
def test_no_line_for_people_controls_who_reads_it(found: Found, form: str) -> None:
    for part in (Found(found.records[:60]), Found(speeds=found.speeds[:20])):
        text = render(part, (), (), (), form, None)
        assert text is not None
        assert [line for line in text.split("\n") if not line.isprintable()] == []


def test_no_cell_of_a_data_file_is_a_formula(found: Found) -> None:
    for part in (Found(found.records), Found(speeds=found.speeds)):
        text = render(part, (), (), (), "csv", None)
        assert text is not None
        cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert any("=1+1" in cell for cell in cells)
        assert [cell for cell in cells if cell.startswith(("=", "@", "+1+", "-1+"))] == []


def test_no_record_that_is_shown_controls_a_terminal(found: Found) -> None:
    for record in found.records[::5]:
        text = drawn(show(record), width=120)
        assert [line for line in text.split("\n") if not line.isprintable()] == []
