"""Runs in an MLflow store: an SQLite database and a folder of files, which no server needs to be running for."""

from __future__ import annotations

import logging
import os
import shlex
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from harness.presentation.tracking.tracked import Tracked, Written
from harness.records.base import Status

FOLDER: Final = Path("mlruns")
_STATUS: dict[Status, str] = {
    "ok": "FINISHED", "failed": "FAILED", "unavailable": "FAILED", "timeout": "KILLED", "interrupted": "KILLED",
}  # fmt: skip
_ID = "harness.record"
#: The most that MLflow takes in one call.
_METRICS, _PARAMETERS = 1000, 100


def write(runs: Iterable[Tracked], folder: Path) -> Written:
    """Write the runs that the store in ``folder`` does not have: an experiment for each task and preset.

    A run that another call was killed in the middle of is written again.

    Raises:
        ImportError: mlflow is not installed.
        OSError: the store cannot be written.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # this project makes no request to anyone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of SQLAlchemy
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        store = f"sqlite:///{folder / 'mlflow.db'}"
        client = MlflowClient(tracking_uri=store)
        experiments: dict[str, str] = {}
        new = known = 0
        for run in runs:
            experiment = experiments.setdefault(run.experiment, _experiment(client, run.experiment, folder))
            found = client.search_runs([experiment], f"tags.`{_ID}` = '{run.id}'")
            if any(each.info.status != "RUNNING" for each in found):
                known += 1
                continue
            for half in found:
                client.delete_run(half.info.run_id)
            _write(client, experiment, run)
            new += 1
    return Written(new, known, f"mlflow ui --backend-store-uri {shlex.quote(store)}")


def _experiment(client: Any, name: str, folder: Path) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        identity: str = found.experiment_id
        return identity
    created: str = client.create_experiment(name, artifact_location=(folder / "files").as_uri())
    return created


def _write(client: Any, experiment: str, run: Tracked) -> None:
    from mlflow.entities import Metric, Param, RunTag

    started, ended = int(1e3 * run.started), int(1e3 * run.ended)
    tags = {_ID: run.id, **run.tags}
    made = client.create_run(experiment, start_time=started, run_name=run.name, tags={_ID: run.id})
    identity = made.info.run_id
    last = run.curve[-1].step if run.curve else 0
    metrics = [
        Metric(name, value, started + int(1e3 * point.seconds), point.step)
        for point in run.curve
        for name, value in point.values.items()
    ]
    metrics += [Metric(name, value, ended, last) for name, value in run.figures.items()]
    parameters = [Param(name, str(value)) for name, value in run.settings.items()]
    client.log_batch(identity, tags=[RunTag(name, value) for name, value in tags.items()])
    for start in range(0, len(parameters), _PARAMETERS):
        client.log_batch(identity, params=parameters[start : start + _PARAMETERS])
    for start in range(0, len(metrics), _METRICS):
        client.log_batch(identity, metrics=metrics[start : start + _METRICS])
    client.log_text(identity, run.document.decode(), f"{run.id}.json")
    client.set_terminated(identity, _STATUS[run.status], ended)
