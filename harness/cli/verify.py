"""``harness verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import (
    DEFAULT_RESULTS,
    LONGEST_AGAIN_S,
    LONGEST_ALL_S,
    NOT_OK,
    OK,
    Folders,
    fail,
    look_for_data_in,
    print_lines,
    print_table,
    tell,
)
from harness.cli.parameters import takes
from harness.specs.options import DATA_FOLDER, QUIET


@takes(DATA_FOLDER, *QUIET)
def verify(
    data: Path | None,
    places: Folders = None,
    timeout: Annotated[float, typer.Option(min=0, help="Longest that one run may take, in seconds.")] = LONGEST_AGAIN_S,
    within: Annotated[float, typer.Option(min=0, help="Longest that all runs together may take.")] = LONGEST_ALL_S,
    results: Annotated[
        Path | None, typer.Option(help="Folder to keep the new runs' records and the verdicts in.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="File (or FILE:NAME), or folder, of the model of your own that a record is of.")
    ] = None,
    updates: Annotated[
        int | None,
        typer.Option(min=1, help="Make about so many updates of each run again, and no more.", show_default="all"),
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="A JSON line per record, as it is judged.")] = False,
    **options: Any,
) -> None:
    """Run records again here and judge each: bit-identical, same result, different, other task, cannot run, altered."""
    from harness.errors import UsageError
    from harness.processes.stopping import terminated_as_interrupted
    from harness.records.store import Store, StoreError
    from harness.workflows.quiet import Quiet
    from harness.workflows.verify import GOOD, closing, table, verify_all

    look_for_data_in(data)
    store = Store(results) if results else None
    try:
        quiet = Quiet.taken_from(options)
        if store:
            store.prepare()
    except (UsageError, StoreError) as error:
        fail(error)
    with terminated_as_interrupted():
        try:
            rows, problems = verify_all(
                places or [DEFAULT_RESULTS],
                timeout,
                store,
                json_lines,
                within,
                model=model,
                quiet=quiet,
                updates=updates,
            )
        except UsageError as error:
            fail(error)
        for problem in problems:
            tell(f"skipped {problem}")
        if not json_lines:
            print_table(table(rows))
            print_lines(closing(rows))
    raise typer.Exit(OK if rows and all(row.judgement.verdict in GOOD for row in rows) else NOT_OK)
