"""``harness show``."""

from __future__ import annotations

from harness.cli.common import NOT_OK, RecordFile, fail


def show(record: RecordFile) -> None:
    """Show one record in readable form."""
    from harness.presentation import contest_table, screen
    from harness.presentation.show import show as describe
    from harness.records.run import Record
    from harness.records.store import StoreError, read

    try:
        found = read(record)
        if isinstance(found, Record):
            screen.show(describe(found))
        else:
            screen.show(contest_table.terminal(found), width=120)
    except StoreError as error:
        fail(error, NOT_OK)
