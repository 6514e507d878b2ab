"""``harness reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import LONGEST_AGAIN_S, NOT_OK, RecordFile, fail, look_for_data_in
from harness.cli.parameters import takes
from harness.specs.options import DATA_FOLDER, QUIET


@takes(DATA_FOLDER, *QUIET)
def reproduce(
    data: Path | None,
    record: RecordFile,
    timeout: Annotated[float, typer.Option(min=0, help="Longest that the run may take, in seconds.")] = LONGEST_AGAIN_S,
    source: Annotated[
        str | None,
        typer.Option(
            help="Repository that has the record's commit: URL or path.", show_default="this one", metavar="URL"
        ),
    ] = None,
    current_code: Annotated[
        bool, typer.Option("--current-code", help="Run the code that is here instead, and verify with that.")
    ] = False,
    results: Annotated[
        Path | None, typer.Option(help="Folder to keep the new run's record and the verdict in.")
    ] = None,
    json_lines: Annotated[bool, typer.Option("--json", help="The verdict as a line of JSON.")] = False,
    **options: Any,
) -> None:
    """Get the record's own code, build an environment of exactly its versions, make its run again, and judge."""
    from harness.errors import UsageError
    from harness.records.store import StoreError
    from harness.workflows import reproduce as reproducing
    from harness.workflows.quiet import Quiet

    look_for_data_in(data)
    try:
        quiet = Quiet.asked(**options)  # what is wrong with it is said before an environment is built
        if current_code:
            if source is not None or results is not None:
                named = "--source" if source is not None else "--results"
                raise UsageError(f"{named} is for the record's own code, which --current-code does not run")
            words = [word for each in QUIET for word in each.words(options[each.parameter])]
            status = reproducing.by_current_code(record, timeout, json_lines, words)
        else:
            _prepare(results)
            status = reproducing.reproduce(record, timeout, json_lines, source, results, quiet)
    except UsageError as error:
        fail(error)
    except StoreError as error:
        fail(error, NOT_OK)
    raise typer.Exit(status)


def _prepare(results: Path | None) -> None:
    """Make the folder of results before any time is spent."""
    from harness.records.store import Store, StoreError

    try:
        if results is not None:
            Store(results).prepare()
    except StoreError as error:
        fail(error)
