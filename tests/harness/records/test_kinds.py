"""Each kind of record is known everywhere, and a word that is none is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.presentation.kinds import SHOWN
from harness.records.kinds import KINDS
from harness.records.seal import digest
from harness.records.store import AlteredRecord, Found, StoreError, read
from tests.harness.conftest import made_speed


def test_each_kind_has_its_place_its_steps_and_a_way_to_be_shown() -> None:
    assert list(SHOWN) == list(KINDS)
    for kind in KINDS.values():
        assert getattr(Found(), kind.held) == []
        assert sorted(kind.steps) == list(range(1, kind.current))


@pytest.mark.parametrize("word", ["novel", None, ["run"]])
def test_a_kind_that_is_none_is_told(tmp_path: Path, word: object) -> None:
    document = json.loads(made_speed().model_dump_json()) | {"kind": word}
    file = tmp_path / "record.json"
    file.write_text(json.dumps(document))
    with pytest.raises(AlteredRecord, match="do not match its digest"):
        read(file)
    file.write_text(json.dumps(document | {"digest": digest(document)}))
    with pytest.raises(StoreError, match=r"kind: .* is none that this harness reads \(run, speed.*\); upgrade harness"):
        read(file)
