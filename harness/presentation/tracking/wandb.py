"""Runs in Weights & Biases' offline folders: nothing leaves the machine until its user runs ``wandb sync``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from harness.presentation.tracking.tracked import Tracked, Written, scratch, sweep

FOLDER: Final = Path("wandb")
PROJECT: Final = "harness"


def write(runs: Iterable[Tracked], folder: Path) -> Written:
    """Write the runs that ``folder`` does not have, each as an offline run: whole, or not at all.

    Raises:
        ImportError: wandb is not installed.
        OSError: the folder cannot be written.
    """
    os.environ.update({"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"})  # no request to anyone
    import wandb

    settings = wandb.Settings(
        mode="offline", silent=True, console="off", disable_git=True, save_code=False,
        x_disable_stats=True, x_disable_meta=True, x_save_requirements=False,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    new = known = 0
    for run in runs:
        if any(folder.glob(f"offline-run-*-{run.id}")):
            known += 1
            continue
        with scratch(folder) as place:
            _write(wandb, settings, run, place)
            (made,) = place.glob("wandb/offline-run-*")
            made.rename(folder / made.name)
        new += 1
    return Written(new, known, f"wandb sync {shlex.quote(str(folder))}/offline-run-*  # uploads them to your account")


def _write(wandb: Any, settings: Any, run: Tracked, folder: Path) -> None:
    with wandb.init(
        project=PROJECT, group=run.experiment, id=run.id, name=run.name, dir=str(folder), settings=settings,
        config={**run.settings}, tags=[run.status], notes=run.tags.get("harness.reason"),
    ) as ours:  # fmt: skip
        for point in run.curve:
            ours.log({**point.values, "seconds": point.seconds}, step=point.step)
        ours.summary.update({**run.figures, **run.tags})
        (Path(ours.dir) / f"{run.id}.json").write_bytes(run.document)  # what lies there is part of the run
