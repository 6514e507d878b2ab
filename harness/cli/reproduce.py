"""``harness reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import LONGEST_AGAIN_S, NOT_OK, RecordFile, fail, look_for_data_in
from harness.cli.parameters import takes
from harness.specs.options import DATA_FOLDER


@takes(DATA_FOLDER)
def reproduce(
    data: Path | None,
    record: RecordFile,
    timeout: Annotated[float, typer.Option(min=0, help="Longest that the run may take, in seconds.")] = LONGEST_AGAIN_S,
    json_lines: Annotated[bool, typer.Option("--json", help="The verdict as a line of JSON.")] = False,
) -> None:
    """Build an environment of exactly the record's versions, run its spec in it, and verify."""
    from harness.records.store import StoreError
    from harness.workflows import reproduce as reproducing

    look_for_data_in(data)
    try:
        status = reproducing.reproduce(record, timeout, json_lines)
    except StoreError as error:
        fail(error, NOT_OK)
    raise typer.Exit(status)
