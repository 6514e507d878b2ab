"""Shared by the workflows: writing a record."""

from __future__ import annotations

from rich.console import Console

from harness.records.base import Sealed
from harness.records.store import Store, StoreError
from harness.text import harmless


def keep(record: Sealed, store: Store, stderr: Console) -> bool:
    """Write the record; where that fails, print why and return False."""
    try:
        store.write(record)
    except StoreError as error:
        complain(error, stderr)
        return False
    return True


def complain(error: Exception, stderr: Console) -> None:
    """Say in one line what could not be kept, or done."""
    stderr.print(f"harness: {harmless(str(error), keep='')}", highlight=False, markup=False, soft_wrap=True)
