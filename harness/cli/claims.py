"""``harness claims``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import DEFAULT_RESULTS, NOT_OK, OK, fail, look_for_data_in, print_lines, print_table, tell
from harness.cli.parameters import OnceEach

claims = typer.Typer(
    name="claims",
    help="What papers and projects claim of recurrent networks, put to the test.",
    no_args_is_help=True,
    add_completion=False,
)

Folder = Annotated[Path, typer.Option("--claims", help="Folder of claim files.")]
Results = Annotated[Path, typer.Option(help="Folder for records; each claim has one of its own within.")]
Published = Annotated[
    list[Path] | None, typer.Option("--records", help="Where verdicts are looked for, too. Repeatable.")
]
_CLAIMS, _RESULTS, _PUBLISHED = Path("results/claims"), DEFAULT_RESULTS / "claims", Path("results/published")


@claims.command("list", cls=OnceEach)
def list_(folder: Folder = _CLAIMS, results: Results = _RESULTS, records: Published = None) -> None:
    """All claims, and what came out here."""
    from harness.errors import UsageError
    from harness.presentation import claims as shown
    from harness.workflows.claims import deciding as workflow

    try:
        found = workflow.read_claims([], folder, results)
        print_table(shown.table(found, workflow.newest([results, *(records or [_PUBLISHED])])))
    except UsageError as error:
        fail(error)


@claims.command("show", cls=OnceEach)
def show(
    claim: Annotated[str, typer.Argument(help="A claim.", metavar="ID")],
    folder: Folder = _CLAIMS, results: Results = _RESULTS, records: Published = None,
) -> None:  # fmt: skip
    """One claim: who said so, what tests it here, and the newest verdict."""
    from harness.errors import UsageError
    from harness.presentation import claims as shown
    from harness.presentation import screen
    from harness.workflows.claims import deciding as workflow

    try:
        (found,) = workflow.read_claims([claim], folder, results)
        record = workflow.newest([results, *(records or [_PUBLISHED])]).get(claim)
    except UsageError as error:
        fail(error)
    screen.show(shown.said(found))
    if record is None:
        print_lines(["", f"not measured yet: harness claims run {found.id}"])
    else:
        print_lines([""])
        screen.show(shown.show(record))


@claims.command("run", cls=OnceEach)
def run(
    ids: Annotated[list[str] | None, typer.Argument(help="Claims.", metavar="ID…", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    minutes: Annotated[
        float | None, typer.Option(help="With --all: only those that take no longer, as their files say.", min=0)
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Runs as they are recorded, whatever version of the code made them.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be run, and stop.")] = False,
    folder: Folder = _CLAIMS,
    results: Results = _RESULTS,
    cpus: Annotated[str | None, typer.Option(help="CPUs to choose from, such as 4-7 or 0,2.", metavar="LIST")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds mnist/.", envvar="HARNESS_DATA")] = None,
    look: Annotated[float | None, typer.Option(help="As of harness run.", metavar="SECONDS")] = None,
    wait_quiet: Annotated[float | None, typer.Option(help="As of harness run.", metavar="SECONDS")] = None,
    require_quiet: Annotated[bool, typer.Option("--require-quiet", help="As of harness run.")] = False,
) -> None:
    """Measure claims, as far as they are not measured yet, and keep a record of each verdict.

    What is measured is not measured again: stop it, and call it again. Exit status 1 where one could not be decided
    because it was stopped or failed; a claim that does not hold is no failure.
    """
    from harness.errors import UsageError
    from harness.processes.stopping import terminated_as_interrupted
    from harness.records.store import StoreError
    from harness.workflows.claims import deciding as workflow
    from harness.workflows.claims.measurement import Asked, Stopped
    from harness.workflows.quiet import Quiet

    look_for_data_in(data)
    try:
        if not ids and not every:
            raise UsageError("name claims, or all with --all; harness claims list names them")
        if ids and every:
            raise UsageError("--all: all claims, and none by name")
        if minutes is not None and not every:
            raise UsageError("--minutes chooses among all claims: --all")
        found = workflow.read_claims(ids or [], folder, results)
        if every:  # the quick ones first
            found = sorted(found, key=lambda claim: claim.words.minutes or 0)
            found = [each for each in found if minutes is None or (each.words.minutes or 0) <= minutes]
        if plan:
            for each in found:
                print_lines([workflow.plan_line(each)])
            return
        asked = Asked(cpus, Quiet.asked(look, wait_quiet, require_quiet), recorded)
        with terminated_as_interrupted():
            well = False not in [_decided(each, asked, results) for each in found]
    except Stopped:
        fail("stopped: the same command goes on", NOT_OK)
    except (UsageError, StoreError) as error:
        fail(error)
    raise typer.Exit(OK if well else NOT_OK)


def _decided(claim: Any, asked: Any, results: Path) -> bool:
    """Decide a claim and print the verdict; False where something in it cannot be right."""
    from harness.errors import UsageError
    from harness.workflows.claims import deciding as workflow

    tell(f"{claim.id}: {claim.words.statement}")
    try:
        record, path = workflow.decide(claim, asked, results)
    except UsageError as error:
        tell(error)
        return False
    print_lines([f"{record.claim}: {record.verdict}: {record.why}", f"  {path}"])
    return True
