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
    json_lines: Annotated[bool, typer.Option("--json", help="The verdict as a line of JSON.")] = False,
    **options: Any,
) -> None:
    """Build an environment of exactly the record's versions, run its spec in it, and verify."""
    from harness.errors import UsageError
    from harness.records.store import StoreError
    from harness.workflows import reproduce as reproducing
    from harness.workflows.quiet import Quiet

    look_for_data_in(data)
    try:
        Quiet.asked(**options)  # what is wrong with it is said before an environment is built
        words = [word for each in QUIET for word in each.words(options[each.parameter])]
        status = reproducing.reproduce(record, timeout, json_lines, words)
    except UsageError as error:
        fail(error)
    except StoreError as error:
        fail(error, NOT_OK)
    raise typer.Exit(status)
