"""``harness tune``."""

from __future__ import annotations

from typing import Any

import typer

from harness.cli.common import NOT_OK, OK, fail, print_table, tell
from harness.cli.parameters import takes
from harness.specs.options import TUNE


@takes(*TUNE)
def tune(
    rounds: int, block: float, timeout: float | None, ready: float | None, json: bool, show: bool, forget: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Measure the variants on this machine, and have auto take the fastest of each backend from then on."""
    from harness.errors import UsageError
    from harness.machine.topology import Choice
    from harness.planning.runs import named_cpus
    from harness.workflows import tune as tuning
    from harness.workflows.quiet import Quiet

    if show and forget:
        fail("--show and --forget: give one of them")
    if show:
        _show(json)
    try:
        if forget:
            _forget(tuning.forget(options))
        settings = tuning.settings(rounds, block, timeout, ready)
        quiet = Quiet.taken_from(options)
        contests = tuning.plan(options)
        cpus = Choice(named_cpus(options["cpus"]))
    except UsageError as error:
        fail(error)
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}", NOT_OK)
    if problem := tuning.unreadable():
        tell(f"{problem}; the first choice takes its place")
    found = tuning.tune(contests, settings, cpus, quiet)
    if json:
        for outcome in found.outcomes:
            typer.echo(outcome.json_line())
    elif found.outcomes:
        from harness.presentation.tuned import of_contests

        print_table(of_contests(found.outcomes))
    for problem in found.problems:
        tell(problem)
    raise typer.Exit(OK if found.ok else NOT_OK)


def _show(json: bool) -> None:
    """Print the choices that are kept, and end the command."""
    from harness.records import tuned

    try:
        kept = tuned.read()
    except tuned.Unreadable as error:
        fail(f"{error}; it counts as none", NOT_OK)
    if json:
        for choice in kept:
            typer.echo(choice.model_dump_json())
    elif kept:
        from harness.presentation.tuned import of_choices

        print_table(of_choices(kept))
    else:
        where = tuned.place()
        off = f"tuned choices are switched off ({tuned.VARIABLE} is empty)"
        tell(off if where is None else "no tuned choices; make some with: harness tune")
    raise typer.Exit(OK)


def _forget(count: int) -> None:
    """Say how many choices are gone, and end the command."""
    from harness.text import counted

    typer.echo(f"{counted(count, 'choice')} forgotten")
    raise typer.Exit(OK)
