"""``harness study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import NOT_OK, OK, fail, look_for_data_in, print_lines
from harness.cli.parameters import takes
from harness.specs.options import STUDY


@takes(*STUDY)
def study(
    file: Annotated[Path, typer.Argument(help="The study file.", show_default=True)] = Path("study.toml"),
    **options: Any,
) -> None:
    """Many runs, each done once: stop it, lose the machine, call it again, and it goes on where it was."""
    from harness.engines.ray import EngineLost
    from harness.errors import UsageError
    from harness.processes.slot import NoSlot
    from harness.records.store import StoreError
    from harness.workflows import study as workflow
    from harness.workflows.quiet import Quiet

    look_for_data_in(options["data"])
    try:
        if options["init"]:
            print_lines([f"wrote {workflow.write_example(file)}; next: harness study {file} --plan"])
            return
        named = ("on", "share", "address", "slurm_option", "dry_run")
        quiet = Quiet.taken_from(options)
        engines = workflow.Engines(**{name: options[name] for name in named})
        work = workflow.work_on(file, options["retry"], options["limit"], options["engine"], engines.on)
        if options["plan"]:
            workflow.print_plan(work, options["json"])
        elif options["status"]:
            workflow.print_status(work)
        elif options["summary"]:
            workflow.print_summary(work)
        else:
            ok = workflow.run_study(work, engines, options["cpus"], options["one"], quiet)
            raise typer.Exit(OK if ok else NOT_OK)
    except (UsageError, StoreError, NoSlot) as error:
        fail(error)
    except EngineLost as error:
        fail(error, NOT_OK)
