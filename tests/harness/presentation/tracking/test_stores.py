"""Each tracker's own library reads what was written for it, and a second call writes nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.records.run import Record
from harness.records.store import Store
from tests.conftest import ROOT, Harness
from tests.harness.conftest import made_record, made_speed

#: Reads a store in ``folder`` back into ``found``: by record id settings, figures, curve, record, experiment, status.
READERS = {
    "mlflow": """
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id]):
        id = run.data.tags["harness.record"]
        curve = [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, "validation/loss")]
        text = pathlib.Path(client.download_artifacts(run.info.run_id, id + ".json")).read_text()
        found[id] = [run.data.params, run.data.metrics, curve, text, experiment.name, run.info.status]
""",
    "wandb": """
from wandb.proto.wandb_internal_pb2 import Record
def records(log):
    # LevelDB's log, after seven bytes of its own: checksum, length and kind (whole, first, middle, last), in blocks
    data, at, whole = log.read_bytes(), 7, b""
    while at < len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole, at = whole + data[at + 7 : at + 7 + length], at + 7 + length
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""
def values(items):
    return {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}
for run in pathlib.Path(folder).glob("offline-run-*"):
    (log,) = run.glob("*.wandb")
    figures, curve = {}, []
    for record in records(log):
        if record.HasField("run"):
            name, group, settings = record.run.run_id, record.run.run_group, values(record.run.config.update)
        point = values(record.history.item)
        if "validation/loss" in point:
            curve.append([record.history.step.num, point["validation/loss"]])
        figures |= values(record.summary.update)
    text = (run / "files" / f"{name}.json").read_text()
    found[name] = [settings, figures, curve, text, group, figures["harness.status"]]
""",
    "tensorboard": """
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # its reader would import TensorFlow
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
for run in pathlib.Path(folder).glob("*/*"):
    read = EventAccumulator(str(run)).Reload()
    told = read.PluginTagToContent("hparams")
    begun = HParamsPluginData.FromString(told["_hparams_/session_start_info"]).session_start_info
    ended = HParamsPluginData.FromString(told["_hparams_/session_end_info"]).session_end_info
    settings = {name: value.number_value or value.string_value for name, value in begun.hparams.items()}
    figures = {tag: read.Scalars(tag)[-1].value for tag in read.Tags()["scalars"]}
    curve = [[point.step, point.value] for point in read.Scalars("validation/loss")]
    text = (run / f"{run.name}.json").read_text()
    found[run.name] = [settings, figures, curve, text, run.parent.name, ended.status]
""",
}


def read_back(tracker: str, folder: Path) -> dict[str, list[object]]:
    program = (
        f"import json, pathlib, struct, sys, types\nfolder, found = {str(folder)!r}, {{}}\n{READERS[tracker]}\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    found: dict[str, list[object]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("tracker", READERS)
def test_the_trackers_own_library_reads_every_run_once(harness: Harness, tmp_path: Path, tracker: str) -> None:
    if find_spec(tracker) is None:
        pytest.skip(f"{tracker} is not installed")
    records = {each.id: each for each in (made_record("copy", seed=1), made_record("adding", "jax", number=1))}
    store = Store(tmp_path / "records")
    store.prepare()
    for record in (*records.values(), made_speed()):
        store.write(record)
    for written in ("2 runs written", "0 runs written, 2 were there already"):
        done = harness("export", "records", "--to", tracker, "--out", "store")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"# store\n{tracker} ")
        assert done.stderr.splitlines() == [
            f"harness: {written}", "harness: speed contests left out, for trackers keep runs: 1"
        ]  # fmt: skip
    found = read_back(tracker, tmp_path / "store")
    assert found.keys() == records.keys()
    for identity, (settings, figures, curve, text, experiment, status) in found.items():
        record = records[identity]
        close = as_precise(tracker)
        assert isinstance(settings, dict)
        assert isinstance(figures, dict)
        assert record.metrics is not None
        assert settings["backend"] == record.spec.backend
        assert float(settings["optimizer.lr"]) == pytest.approx(record.spec.optimizer.lr)
        assert figures["measured/final_loss"] == close(record.metrics.final_loss)
        assert figures["measured/train_seq_s"] == close(speed_of(record))
        assert curve == [[point.step, close(point.loss)] for point in record.curve]
        assert text == (tmp_path / "records" / f"{identity}.json").read_text()
        assert experiment == f"{record.spec.task} {record.spec.preset}"
        assert status == {"mlflow": "FINISHED", "wandb": "ok", "tensorboard": 1}[tracker]
    names = [path.name for path in (tmp_path / "store").iterdir()]
    assert not any(name.startswith(".") for name in names), names


def as_precise(tracker: str) -> Callable[[float], object]:
    """TensorBoard's scalars are float32."""
    return lambda value: pytest.approx(value, rel=1e-6 if tracker == "tensorboard" else 1e-12)


def speed_of(record: Record) -> float:
    assert record.metrics is not None
    assert record.metrics.train_sequences_per_second is not None
    return record.metrics.train_sequences_per_second.median


def test_what_is_no_run_opens_no_store_and_what_is_no_record_is_no_success(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "broken.json").write_text("{")
    done = harness("export", "odd", "--to", "tensorboard", "--out", "store")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert not (tmp_path / "store").exists()
    Store(tmp_path / "odd").write(made_record())
    done = harness("export", "odd", "--to", "tensorboard", "--out", "store")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "harness: 1 run written"
    assert "broken.json: not a valid record" in done.stderr


@pytest.mark.parametrize("tracker", READERS)
def test_a_missing_library_is_one_line_with_the_command_that_installs_it(
    tmp_path: Path, tracker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness

    Store(tmp_path).write(made_record())
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(harness.UsageError, match=rf"pip install 'rnn-harness\[{tracker}\]'$"):
        harness.export(tmp_path, tracker, tmp_path / "store")
    assert not (tmp_path / "store").exists()
