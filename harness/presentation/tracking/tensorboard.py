"""Runs as TensorBoard's event files: curves, the settings as hyperparameters, the figures beside them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from harness.presentation.tracking.tracked import Tracked, Written, scratch, sweep

FOLDER: Final = Path("runs")


def write(runs: Iterable[Tracked], folder: Path) -> Written:
    """Write the runs that ``folder`` does not have: a folder with event files and the record for each, whole or not at
    all.

    Raises:
        ImportError: tensorboard is not installed.
        OSError: the folder cannot be written.
    """
    import tensorboard.summary.writer.record_writer  # noqa: F401 - before a folder is made

    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    new = known = 0
    for run in runs:
        place = folder / run.experiment / run.id
        if place.exists():
            known += 1
            continue
        with scratch(folder) as making:
            made = making / run.id
            made.mkdir()
            _write(run, made)
            place.parent.mkdir(parents=True, exist_ok=True)
            made.rename(place)
        new += 1
    return Written(new, known, f"tensorboard --logdir {shlex.quote(str(folder))}")


def _write(run: Tracked, folder: Path) -> None:
    # not EventFileWriter, which imports TensorFlow where it is installed, and names this machine in the file's name
    from tensorboard.summary.writer.record_writer import RecordWriter

    with (folder / f"events.out.tfevents.{int(run.started)}.{run.id}").open("wb") as file:
        writer = RecordWriter(file)
        for event in _events(run):
            writer.write(event.SerializeToString())
        writer.flush()
    (folder / f"{run.id}.json").write_bytes(run.document)


def _events(run: Tracked) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    def scalar(name: str, value: float, step: int, when: float) -> Any:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        return Event(wall_time=when, step=step, summary=summary)

    yield Event(wall_time=run.started, file_version="brain.Event:2")
    begun = hparams_pb(dict(run.settings), trial_id=run.id, start_time_secs=run.started)
    yield Event(wall_time=run.started, summary=begun)
    for point in run.curve:
        for name, value in point.values.items():
            yield scalar(name, value, point.step, run.started + point.seconds)
    last = run.curve[-1].step if run.curve else 0
    for name, value in run.figures.items():
        yield scalar(name, value, last, run.ended)
    status = STATUS_SUCCESS if run.status == "ok" else STATUS_FAILURE
    yield Event(wall_time=run.ended, summary=_ended(SessionEndInfo(status=status, end_time_secs=run.ended)))


def _ended(told: Any) -> Any:
    """What tells the HParams dashboard that a run is over."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams.metadata import NULL_TENSOR, PLUGIN_NAME, SESSION_END_INFO_TAG
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = HParamsPluginData(session_end_info=told).SerializeToString()
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=content))
    return Summary(value=[Summary.Value(tag=SESSION_END_INFO_TAG, metadata=metadata, tensor=NULL_TENSOR)])
