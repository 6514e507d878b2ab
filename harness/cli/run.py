"""``harness run``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import typer

from harness.cli.common import NOT_OK, OK, fail, look_for_data_in
from harness.cli.parameters import takes
from harness.machine import others
from harness.specs.options import RUN


@takes(*RUN)
def run(
    timeout: float | None, data: Path | None, results: Path, json: bool, dry_run: bool, save: bool,
    resume: bool, retry: str | None, tries: int | None, **options: Any,
) -> None:  # fmt: skip
    """Train and measure each backend, task, cell and seed asked for, one process per run."""
    begun = others.read(time.monotonic())  # before anything slow: a look at what others compute then need not wait
    from harness.errors import UsageError
    from harness.planning.runs import by_version, named_cpus, plan, threads_note
    from harness.records.store import Store, StoreError
    from harness.workflows.quiet import Quiet
    from harness.workflows.run import Resume, print_plan, run_all
    from harness.workflows.saving import check_fit, start_of

    look_for_data_in(data)
    store = Store(results)
    try:
        going_on = Resume.asked(resume, retry, tries)
        options, start = start_of({**options, "save": save, "results": results})
        quiet = Quiet.taken_from(options, begun)
        specs, versions = plan({**options, "timeout": timeout}), by_version(options["backend"])
        check_fit(specs, start)
        cpus = named_cpus(options["cpus"])
        if dry_run:
            print_plan(specs, json, threads_note(max(options["threads"] or [], default=None), cpus))
            return
        store.prepare()
    except (UsageError, StoreError) as error:
        fail(error)
    well = run_all(specs, store, timeout, json, versions, cpus, start, save, going_on, quiet)
    raise typer.Exit(OK if well else NOT_OK)
