"""Records that are sealed, migrated and verified."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.analysis.verdict import causes, judge
from harness.presentation.report import write
from harness.records import seal
from harness.records.migrations import CURRENT, SPEED_CURRENT, SPEED_STEPS, STEPS
from harness.records.run import Record
from harness.records.speed import SpeedRecord
from harness.records.store import AlteredRecord, Found, Store, StoreError, named_in, read, read_all, read_record
from harness.specs.commandline import command_line, words
from harness.workflows.verify import unknown
from tests.harness.conftest import made_record, made_speed

ROOT = Path(__file__).resolve().parents[3]
RecordFactory = Callable[..., Record]
QUICK = ["--backend", "numpy", "--task", "sequential-digits", "--steps", "20", "--evaluate-every", "10"]


def harness(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "harness", *arguments], capture_output=True, text=True, cwd=cwd, timeout=240
    )


# ---- the digest


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


# ---- versions


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


# ---- the command


def test_the_command_makes_exactly_the_spec_again(tmp_path: Path) -> None:
    asked = [*QUICK, "--cell", "gru", "--bidirectional", "--clip", "0", "--no-deterministic", "--chrono", "8"]
    first = harness("run", *asked, "--dry-run", "--json", cwd=tmp_path).stdout
    from harness.specs.run import RunSpec

    spec = RunSpec.model_validate_json(first)
    again = harness(*words(spec)[1:], "--dry-run", "--json", cwd=tmp_path)
    assert RunSpec.model_validate_json(again.stdout) == spec, again.stderr
    odd = spec.model_copy(update={"optimizer": spec.optimizer.model_copy(update={"beta1": 0.5})})
    assert command_line(odd) is None


# ---- verdicts


def test_the_same_is_bit_identical(make_record: RecordFactory) -> None:
    judgement = judge(make_record(), make_record())
    assert judgement.verdict == "bit-identical"
    assert judgement.speed.startswith("as recorded")


def nudged(record: Record, by: float, environment: dict[str, Any] | None = None) -> Record:
    """The same run with every loss and score ``by`` off."""
    assert record.metrics is not None
    curve = [point.model_copy(update={"loss": point.loss + by}) for point in record.curve]
    score = {name: value + by for name, value in record.metrics.score.items()}
    metrics = record.metrics.model_copy(update={"score": score})
    where = record.environment.model_copy(update=environment or {})
    return record.model_copy(update={"curve": curve, "metrics": metrics, "environment": where})


def test_what_rounding_does_is_the_same_result_and_more_is_different(make_record: RecordFactory) -> None:
    record = make_record()
    assert judge(record, nudged(record, 1e-7)).verdict == "same result"
    assert "between updates" not in judge(record, nudged(record, 1e-7)).why
    assert judge(record, nudged(record, 0.05)).verdict == "different"


def test_recorded_seeds_give_the_tolerance(make_record: RecordFactory) -> None:
    record = make_record()
    apart = [nudged(record, by) for by in (-0.02, 0.0, 0.02)]
    alone, among = judge(record, nudged(record, 0.012)), judge(record, nudged(record, 0.012), apart)
    assert (alone.verdict, among.verdict) == ("different", "same result")
    assert "spread of 3 seeds" in among.why


def test_the_likeliest_cause_comes_first(make_record: RecordFactory) -> None:
    record = make_record()
    other = {"cpu": "another", "os": "another", "versions": {**record.environment.versions, "torch": "9"}}
    again = nudged(record, 0.1, other)
    assert [cause.split(":")[0] for cause in causes(record, again)] == ["torch", "processor", "operating system"]
    judgement = judge(record, again)
    assert judgement.speed.startswith("not judged: another processor")


def test_the_new_name_of_our_distribution_is_no_cause(make_record: RecordFactory) -> None:
    record = make_record(environment={"packages": {"harness": "0.1.0", "numpy": "2.3.0"}})
    again = make_record(environment={"packages": {"rnn-harness": "0.1.0", "numpy": "2.3.0"}})
    assert list(causes(record, again)) == []
    newer = make_record(environment={"packages": {"rnn-harness": "0.2.0", "numpy": "2.3.0"}})
    assert list(causes(record, newer)) == ["rnn-harness: 0.2.0, recorded 0.1.0"]


def test_names_outside_the_registries_are_never_loaded(make_record: RecordFactory) -> None:
    spec = make_record().spec
    for update in ({"backend": "os"}, {"task": "subprocess"}, {"threads": 4096}):
        assert unknown(spec.model_copy(update=update))
    assert unknown(spec.model_copy(update={"parameters": {"length": "$(reboot)"}}))


@pytest.mark.parametrize("name", ["../../etc/passwd", "os;rm -rf /", "$(id)", "tasks.adding:Adding"])
def test_a_spec_cannot_name_a_path_or_a_shell_fragment(tmp_path: Path, make_record: RecordFactory, name: str) -> None:
    document = json.loads(Store(tmp_path).write(make_record()).read_text())
    document["spec"]["backend"] = name
    document["digest"] = seal.digest(document)  # resealed, as its author would
    (tmp_path / "evil.json").write_text(json.dumps(document))
    with pytest.raises(StoreError, match="backend"):
        read(tmp_path / "evil.json")


def test_a_report_stands_for_the_records_that_it_names(tmp_path: Path, make_record: RecordFactory) -> None:
    records = [
        make_record(seed=seed).model_copy(update={"id": f"20261124T08000{seed}Z-adding-torch-lstm-0123abc{seed}"})
        for seed in (1, 2)
    ]
    store = Store(tmp_path)
    written = [store.write(record) for record in records]
    for page in write(Found(records), tmp_path / "report", "Two runs")[:2]:
        assert sorted(named_in(page)) == sorted(written)
    written[1].unlink()
    assert not list(named_in(tmp_path / "report" / "report.md"))[1].exists()
    (tmp_path / "empty.md").write_text("../../etc/passwd.json")
    with pytest.raises(StoreError, match="names no record"):
        list(named_in(tmp_path / "empty.md"))


def test_two_verifies_of_one_record_end_alike(tmp_path: Path) -> None:
    assert harness("run", *QUICK, "--threads", "1", cwd=tmp_path).returncode == 0
    command = [sys.executable, "-P", "-m", "harness", "verify", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    told = [json.loads(each.communicate(timeout=240)[0]) for each in both]
    assert [each["verdict"] for each in told] == ["bit-identical"] * 2


def test_verify_from_the_command_line(tmp_path: Path) -> None:
    assert harness("run", *QUICK, "--results", "kept", cwd=tmp_path).returncode == 0
    (path,) = (tmp_path / "kept").glob("*.json")
    record = read_record(path)
    assert record.environment.packages["numpy"] == record.environment.versions["numpy"]
    assert record.command
    assert record.command.startswith("harness run --backend numpy")
    assert record.noise is not None
    done = harness("verify", "kept", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["verdict"] == "bit-identical", done.stderr
    assert done.returncode == 0
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9'))
    (tmp_path / "kept" / "broken.json").write_text("{")
    speed = Store(tmp_path / "kept").write(made_speed())
    speed.write_text(speed.read_text().replace('"threads": 1', '"threads": 2'))
    done = harness("verify", "kept", cwd=tmp_path)
    assert done.returncode == 1
    assert "altered" in done.stdout
    assert "not JSON" in done.stdout
    assert "3 records: 1 cannot run, 2 altered" in done.stdout
