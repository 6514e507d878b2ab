"""Records of every version read, verify as unaltered and are drawn; an impossible version is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from harness.presentation.report import write
from harness.records.claim import ClaimRecord
from harness.records.migrations import CLAIM_CURRENT, CURRENT, SPEED_CURRENT, SPEED_STEPS, STEPS, VERDICT_CURRENT
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import AlteredRecord, Store, StoreError, read, read_all, read_record
from harness.records.verdict import VerdictRecord
from tests.harness.conftest import made_record, made_speed

ROOT = Path(__file__).resolve().parents[3]


both_kinds = pytest.mark.parametrize("make", [made_record, made_speed])


Make = Callable[[], Record | SpeedRecord]


@pytest.mark.parametrize("version", range(1, CURRENT + 1))
def test_a_record_of_every_schema_reads(version: int) -> None:
    path = ROOT / "tests" / "fixtures" / "records" / f"schema-{version}.json"
    assert json.loads(path.read_text())["schema_version"] == version
    record = read_record(path)
    assert record.schema_version == CURRENT
    assert record.metrics is not None
    assert record.metrics.energy_j is None, "on CPU, and before version 3, nobody measured it"


@pytest.mark.parametrize("version", range(2, CURRENT + 1))
@pytest.mark.parametrize("told", [None, *range(1, CURRENT + 1)])
def test_a_sealed_record_altered_is_found_out_whatever_version_it_says(
    tmp_path: Path, version: int, told: int | None
) -> None:
    document = json.loads((ROOT / "tests" / "fixtures" / "records" / f"schema-{version}.json").read_text())
    document["metrics"]["final_loss"] += 0.5
    document["schema_version"] = told
    if told is None:
        del document["schema_version"]
    (tmp_path / "altered.json").write_text(json.dumps(document))
    with pytest.raises(AlteredRecord, match="altered since it was written"):
        read(tmp_path / "altered.json")


def test_every_published_record_reads() -> None:
    found = read_all([ROOT / "results" / "published"])
    assert found.records
    assert found.problems == []


@pytest.mark.parametrize("version", range(1, SPEED_CURRENT + 1))
def test_a_speed_record_of_every_schema_reads(version: int) -> None:
    record = read(ROOT / "tests" / "fixtures" / "records" / f"speed-{version}.json")
    assert isinstance(record, SpeedRecord)
    assert record.schema_version == SPEED_CURRENT
    assert record.contests[0].rows[0].figures is not None


@pytest.mark.parametrize("version", range(1, VERDICT_CURRENT + 1))
def test_a_verdict_of_every_schema_reads_and_an_altered_one_is_found_out(tmp_path: Path, version: int) -> None:
    sample = ROOT / "tests" / "fixtures" / "records" / f"verdict-{version}.json"
    record = read(sample)
    assert isinstance(record, VerdictRecord)
    assert record.verdict == "bit-identical"
    (tmp_path / "altered.json").write_text(sample.read_text().replace("bit-identical", "same result"))
    with pytest.raises(AlteredRecord, match="altered since it was written"):
        read(tmp_path / "altered.json")


@pytest.mark.parametrize("version", range(1, CLAIM_CURRENT + 1))
def test_a_claim_of_every_schema_reads_and_an_altered_one_is_found_out(tmp_path: Path, version: int) -> None:
    sample = ROOT / "tests" / "fixtures" / "records" / f"claim-{version}.json"
    assert isinstance(read(sample), ClaimRecord)
    (tmp_path / "altered.json").write_text(sample.read_text().replace('"cannot be told"', '"holds here"', 1))
    with pytest.raises(AlteredRecord, match="altered since it was written"):
        read(tmp_path / "altered.json")


def test_there_is_a_step_from_every_version() -> None:
    assert sorted(STEPS) == list(range(1, CURRENT))
    assert sorted(SPEED_STEPS) == list(range(1, SPEED_CURRENT))


@pytest.mark.parametrize(
    ("version", "says"), [(99, "newer than this harness"), (0, "whole number"), ("2", "whole number")]
)
@both_kinds
def test_a_version_that_cannot_be_read_is_told(tmp_path: Path, make: Make, version: object, says: str) -> None:
    document = json.loads(Store(tmp_path).write(make()).read_text())
    (tmp_path / "other.json").write_text(json.dumps(document | {"schema_version": version}))
    with pytest.raises(StoreError, match=says):
        read(tmp_path / "other.json")


SAMPLES = [*(f"schema-{version}" for version in range(1, CURRENT + 1)),
           *(f"speed-{version}" for version in range(1, SPEED_CURRENT + 1))]  # fmt: skip
VERDICTS = [f"verdict-{version}" for version in range(1, VERDICT_CURRENT + 1)]
CLAIMS = [f"claim-{version}" for version in range(1, CLAIM_CURRENT + 1)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_record_of_every_schema_is_drawn_and_reported(tmp_path: Path, sample: str) -> None:
    """Old records have fewer figures, and what they lack is left out."""
    found = read_all([ROOT / "tests" / "fixtures" / "records" / f"{sample}.json"])
    assert found.problems == []
    pages = write(found, tmp_path)
    assert (tmp_path / "figures").is_dir()
    assert len([page for page in pages if page.suffix == ".png"]) >= (2 if found.records else 1)
    (identity,) = [record.id for record in [*found.records, *found.speeds]]
    assert all(identity in page.read_text(encoding="utf-8") for page in pages[:2])


@pytest.mark.parametrize("sample", [*SAMPLES, *VERDICTS, *CLAIMS])
def test_the_schema_that_a_record_was_written_by_describes_it(sample: str) -> None:
    """Published schemas of former versions stay as they were; the first of runs was not published."""
    schema = ROOT / "harness" / "records" / "schema" / f"{sample.replace('schema', 'record')}.json"
    if not schema.exists():
        assert sample == "schema-1"
        return
    document = json.loads((ROOT / "tests" / "fixtures" / "records" / f"{sample}.json").read_text())
    jsonschema.validate(document, json.loads(schema.read_text()))
