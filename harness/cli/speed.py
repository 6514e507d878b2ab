"""``harness speed``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from harness.cli.common import NOT_OK, OK, fail
from harness.cli.parameters import takes
from harness.specs.options import SPEED


@takes(*SPEED)
def speed(
    rounds: int, block: float, timeout: float | None, starts: int, ready: float | None, results: Path,
    out: Path | None, json: bool, **options: Any,
) -> None:  # fmt: skip
    """Throughput without a task: live workers take turns on random data. Values may be lists: --length 50,100."""
    from harness.errors import UsageError
    from harness.planning.contests import plan
    from harness.planning.runs import named_cpus
    from harness.records.store import Store, StoreError
    from harness.workflows.quiet import Quiet
    from harness.workflows.speed import Settings, measure

    store = Store(results)
    try:
        settings = Settings(rounds, block, timeout, starts, ready)
        quiet = Quiet.taken_from(options)
        contests = plan(options)
        cpus = named_cpus(options["cpus"])
        store.prepare()
    except (UsageError, StoreError) as error:
        fail(error)
    well = measure(contests, settings, store, out or results / "plots", json, cpus, quiet)
    raise typer.Exit(OK if well else NOT_OK)
