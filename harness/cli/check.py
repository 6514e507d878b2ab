"""Commands that check: ``harness parity``, ``verify`` and ``reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import DEFAULT_RESULTS, NOT_OK, OK, DataFolder, Folders, fail, look_for_data_in, print_table
from harness.cli.run import run_options


def parity(
    context: typer.Context,
    updates: Annotated[int, typer.Option(min=1, max=1000, help="After which parameters are compared.")] = 10,
    drift: Annotated[int, typer.Option(min=0, max=100_000, help="Updates over which the curves are followed.")] = 100,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one backend may take.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="A JSON line per variant and precision.")] = False,
) -> None:
    """Where every backend and variant agrees with the float64 reference: loss, gradients, parameters, curves.

    Other options are run's: --task copy --cell gru --hidden 32; --precision all compares all that a device has.
    Exit status 1 where any disagrees.
    """
    from harness.errors import UsageError
    from harness.planning.runs import plan, request
    from harness.workflows import parity as parities
    from harness.workflows.common import terminated_as_interrupted

    try:
        options = run_options(context.args)
        precisions = [options["precision"]] if options["precision"] else ["float64", "float32"]
        if precisions == ["all"]:
            options["precision"] = None
        specs = parities.small(plan(request(options)), options["batch"])
    except UsageError as error:
        fail(error)
    with terminated_as_interrupted():
        found = parities.measure(specs, updates, drift, precisions, timeout, json_lines)
    if not json_lines:
        print_table(parities.table(found))
        typer.echo("\n".join(parities.closing(found)))
    raise typer.Exit(OK if parities.agree(found) else NOT_OK)


def verify(
    places: Folders = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that one run may take.")] = None,
    data: DataFolder = None,
    results: Annotated[Path | None, typer.Option(help="Folder to keep the new runs' records in.")] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="A JSON line per record, as it is judged.")] = False,
) -> None:
    """Run records again, here, and judge: bit-identical, same result, different, cannot run, altered."""
    from harness.records.store import Store, StoreError
    from harness.workflows.verify import GOOD, closing, table, verify_all

    look_for_data_in(data)
    store = Store(results) if results else None
    try:
        if store:
            store.prepare()
    except StoreError as error:
        fail(error)
    rows, problems = verify_all(places or [DEFAULT_RESULTS], timeout, store, json_lines)
    for problem in problems:
        typer.echo(f"harness: skipped {problem}", err=True)
    if not json_lines:
        print_table(table(rows))
        typer.echo("\n".join(closing(rows)))
    raise typer.Exit(OK if rows and all(row.judgement.verdict in GOOD for row in rows) else NOT_OK)


def reproduce(
    record: Annotated[Path, typer.Argument(help="A record's file.")],
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds that the run may take.")] = None,
    data: DataFolder = None,
    json_lines: Annotated[bool, typer.Option("--json", help="The judgement as a line of JSON.")] = False,
) -> None:
    """Build an environment of exactly the record's versions, run its spec in it, and verify."""
    from harness.records.store import StoreError
    from harness.workflows.reproduce import reproduce as run_in_its_own

    look_for_data_in(data)
    try:
        status = run_in_its_own(record, timeout, json_lines)
    except StoreError as error:
        fail(error, NOT_OK)
    raise typer.Exit(status)
