"""Run a plan: one worker after the other, each record kept as soon as it is there, the table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

from rich.console import Console
from rich.table import Table

import tasks
from backends import parameters
from harness.presentation import screen
from harness.presentation.progress import bar, line
from harness.processes import virtual_environments as environments
from harness.processes.supervise import Interrupted, execute, refused
from harness.records.run import Record
from harness.records.store import Store
from harness.specs.run import RunSpec
from harness.workflows.common import keep, terminated_as_interrupted

#: By backend, the versions of its framework to run it under; None stands for the version installed here.
Versions = Mapping[str, Sequence[str | None]]


def run_all(
    specs: Sequence[RunSpec], store: Store, timeout: float | None, json_lines: bool, versions: Versions | None = None
) -> bool:
    """Run every spec under every version asked for; True if all were ok and their records kept.

    Args:
        timeout: seconds that one run may take.
        json_lines: print each record as a line of JSON, in place of the table at the end.
    """
    stderr = Console(stderr=True)
    records: list[Record] = []
    well = True
    runs = [(spec, version) for spec in specs for version in (versions or {}).get(spec.backend, [None])]
    with terminated_as_interrupted():
        for number, (spec, version) in enumerate(runs, 1):
            stopped = False
            try:
                record = _run(spec, version, f"[{number}/{len(runs)}]", timeout, stderr)
            except Interrupted as interruption:
                record, stopped = interruption.record, True
            records.append(record)
            well = keep(record, store, stderr) and record.status == "ok" and not stopped and well
            if json_lines:
                print(record.model_dump_json(), flush=True)
            if stopped:
                stderr.print(f"interrupted; {len(runs) - number} runs not started", highlight=False)
                break
    if not json_lines:
        print_summary(records)
    return well


def _run(spec: RunSpec, version: str | None, position: str, timeout: float | None, stderr: Console) -> Record:
    """Run in this environment; in one of its own where a version is asked for, or where only that has the framework."""
    python = None
    if version is not None or (find_spec(spec.backend) is None and spec.backend in environments.EXTRAS):
        try:
            with line(stderr) as tell:
                python = environments.find(spec.backend, version, tell)
        except environments.NotBuilt as error:
            return refused(spec, str(error), version)
    with bar(spec, position, stderr) as on_progress:
        return execute(spec, timeout, on_progress, python, version)


def print_summary(records: Sequence[Record]) -> None:
    """Print the table of these runs, what repeated runs amount to, and why each run that was not ok was not."""
    from harness.analysis import repeats
    from harness.presentation.table import rich_table
    from harness.records.naming import reasons

    summaries = [repeats.rich_table(records)] if repeats.is_worth(records) else []
    screen.show(rich_table(list(records)), *summaries, width=140)
    console = Console()
    for reason in reasons(records):
        console.print(reason, highlight=False, markup=False, soft_wrap=True)


def print_plan(specs: Sequence[RunSpec], json_lines: bool) -> None:
    """Print what would run: a table, or each spec as a line of JSON."""
    if json_lines:
        for spec in specs:
            print(spec.model_dump_json())
    else:
        screen.show(plan_table(specs), width=200)


def plan_table(specs: Sequence[RunSpec]) -> Table:
    """A row for each run that would be started."""
    shown = Table(title=f"{len(specs)} runs, none started")
    for heading in ("task", "parameters", "cell", "backend", "variant", "device", "precision"):
        shown.add_column(heading)
    for heading in ("layers", "hidden", "weights", "batch", "steps", "seed", "threads"):
        shown.add_column(heading, justify="right")
    for spec in specs:
        job = spec.job(tasks.load(spec.task, spec.parameters, spec.seed))
        ways = "×2" if spec.model.bidirectional else ""
        shown.add_row(
            f"{spec.task} ({spec.preset})", ", ".join(f"{k}={v}" for k, v in spec.parameters.items()),
            spec.model.cell, spec.backend, spec.variant, spec.device, spec.precision, f"{spec.model.layers}{ways}",
            str(spec.model.hidden), f"{parameters.count(job.model):,}", str(spec.batch), f"{spec.steps:,}",
            str(spec.seed), str(spec.threads),
        )  # fmt: skip
    return shown
