"""``harness show``."""

from __future__ import annotations

from harness.cli.common import NOT_OK, RecordFile, fail


def show(record: RecordFile) -> None:
    """Show one record in readable form."""
    from harness.presentation import screen
    from harness.presentation.kinds import shown
    from harness.records.store import StoreError, read

    try:
        drawn, width = shown(read(record))
    except StoreError as error:
        fail(error, NOT_OK)
    screen.show(drawn, width=width)
